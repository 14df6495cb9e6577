//! The list of tags.

use kiln_oci::Reference;
use serde::Deserialize;
use ureq::http::Method;

use crate::body::read_json;
use crate::exchange::Ask;
use crate::outgoing::Payload;
use crate::{RegistryError, Repository};

/// The most that a page of tags may have.
const MAX_PAGE: u64 = 4 << 20;
/// The most tags that are listed.
const MAX_TAGS: usize = 1_000_000;
/// Tags of a page.
const PAGE: &str = "1000";

#[derive(Deserialize)]
struct Tags {
    /// Some registries say null where there are none.
    tags: Option<Vec<String>>,
}

impl Repository {
    /// All tags, as the registry orders them (distribution spec, end-8). What is no tag is left
    /// out: it can't be asked for.
    pub fn tags(&self) -> Result<Vec<String>, RegistryError> {
        let what = format!("listing the tags of {}", self.name());
        let inner = &*self.inner;
        let endpoint = &inner.registry;
        let root = endpoint.root(&inner.shared.transport, &what)?;
        let mut next = Some(self.url(endpoint, &root, "tags/list").with_query("n", PAGE));
        let scopes = self.scopes(endpoint);
        let mut tags = Vec::new();
        while let Some(url) = next {
            let answer = self.policy().run(|| {
                let ask = Ask::new(&what, Method::GET, &url, &scopes);
                let answer = inner.shared.ask(endpoint, &ask, &mut Payload::None)?;
                answer.expect(&what, endpoint, &[200])
            })?;
            let link = answer.header("link").and_then(next_link).map(String::from);
            let (host, base) = (answer.host(), answer.url.clone());
            let page = read_json(&what, &host, answer.response, MAX_PAGE)?;
            let invalid = |why: &str| RegistryError::Invalid {
                what: what.clone(),
                host: host.clone(),
                why: why.to_owned(),
            };
            let page = Tags::deserialize(page).map_err(|_| invalid("it is no list of tags"))?;
            let page = page.tags.unwrap_or_default();
            let progress = !page.is_empty();
            tags.extend(page.into_iter().filter(|tag| is_tag(tag)));
            if tags.len() > MAX_TAGS {
                return Err(invalid("there are more tags than can be listed"));
            }
            next = match link {
                Some(link) if progress => {
                    let to = base.join(&link).map_err(|why| invalid(&why))?;
                    if !to.same_origin(&root) || to == url {
                        return Err(invalid("the next page of tags isn't the registry's"));
                    }
                    Some(to)
                }
                _ => None,
            };
        }
        Ok(tags)
    }
}

/// The target of `rel="next"` in a `Link` (RFC 8288).
fn next_link(header: &str) -> Option<&str> {
    header.split(',').find_map(|link| {
        let (target, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
        let next = parameters.split(';').any(|p| {
            let p = p.trim().to_ascii_lowercase();
            p == "rel=\"next\"" || p == "rel=next"
        });
        next.then_some(target)
    })
}

/// Whether a text is a tag, and so may be part of a URL.
pub(crate) fn is_tag(tag: &str) -> bool {
    Reference::parse(&format!("x:{tag}")).is_ok_and(|r| r.tag() == Some(tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links() {
        let link = "</v2/a/tags/list?n=2&last=b>; rel=\"next\"";
        assert_eq!(next_link(link), Some("/v2/a/tags/list?n=2&last=b"));
        assert_eq!(next_link("<a>; rel=prev, <b>; rel=next"), Some("b"));
        for none in ["", "<a>", "a; rel=next", "<a>; rel=\"prev\""] {
            assert_eq!(next_link(none), None);
        }
    }

    #[test]
    fn tags_are_tags() {
        assert!(is_tag("v1.0-a_b"));
        for bad in ["", "a/b", "a:b", "a@b", "-x", "\u{1b}[31m", "a b"] {
            assert!(!is_tag(bad), "{bad}");
        }
    }
}
