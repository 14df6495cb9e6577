//! What the mounts of a step add to its key. Of bind mounts it is what they show, of caches and
//! tmpfs how they are made, of secrets and agents which they are, never what is in them.

use kiln_dockerfile::{Look, Mount};
use kiln_oci::Digest;
use kiln_store::CacheRecord;
use kiln_tree::Root;

use super::{MountOp, Mounting, tree_name, written_from};
use crate::context::digest_matches;
use crate::error::{BuildError, IoContext};
use crate::key::KeyBuilder;
use crate::listing::{Match, Tree, exact};
use crate::plan::CopyFrom;
use crate::snapshot::view;

/// One mount, looked at.
pub struct Input {
    /// Its target, or the variable's name.
    pub name: String,
    /// All that the step's result depends on.
    pub value: String,
    /// What a bind mount shows of the context.
    pub listed: Option<Match>,
    /// The digests of the files in it, in order.
    pub digests: Vec<[u8; 32]>,
}

impl Mounting<'_> {
    /// Looks at each mount.
    pub fn inputs(&self) -> Result<Vec<Input>, BuildError> {
        self.each()
            .map(|(op, layers)| self.input(op, layers).map_err(|e| self.place(e, op)))
            .collect()
    }

    fn input(&self, op: &MountOp, layers: Option<&Vec<Digest>>) -> Result<Input, BuildError> {
        let mut listed = None;
        let mut digests = Vec::new();
        let value = match &op.mount {
            Mount::Bind(m) => {
                let content = match layers {
                    Some(layers) => self.content_of_layers(op, layers, &m.source)?,
                    None => {
                        let (found, content) = self.content_of_context(&m.source, &mut digests)?;
                        listed = Some(found);
                        content
                    }
                };
                format!("bind writable={} content={content}", m.writable)
            }
            Mount::Cache(m) => {
                let id = m.id.as_deref().unwrap_or_default();
                let seed = layers.map(|l| format!(" seed={} source={:?}", chain(l), m.source));
                format!(
                    "cache id={id:?} sharing={:?} ro={}{}{}",
                    m.sharing,
                    m.read_only,
                    look(&m.look),
                    seed.unwrap_or_default()
                )
            }
            Mount::Tmpfs(m) => format!("tmpfs size={:?} ro={}", m.size, m.read_only),
            Mount::Secret(m) => format!(
                "secret id={:?} env={:?} required={}{}",
                m.id,
                m.env,
                m.required,
                look(&m.look)
            ),
            Mount::Ssh(m) => format!("ssh id={:?} required={}{}", m.id, m.required, look(&m.look)),
        };
        let variable = match &op.mount {
            Mount::Secret(m) => m.env.as_deref(),
            _ => None,
        };
        let name = op.target().or(variable).unwrap_or_default().to_owned();
        Ok(Input {
            name,
            value,
            listed,
            digests,
        })
    }

    fn content_of_context(
        &self,
        source: &str,
        digests: &mut Vec<[u8; 32]>,
    ) -> Result<(Match, String), BuildError> {
        let context = self.context.ok_or_else(|| {
            BuildError::new("this build has no context to mount from")
                .hint("name a stage or an image with from=…")
        })?;
        let tree = context.tree();
        let found = exact(&tree, source)?;
        let matches = std::slice::from_ref(&found);
        let content = digest_matches(tree.root, matches, Some(context.cache()), false, digests)?;
        Ok((found, content))
    }

    /// Layers never change: what a path in them holds is digested once and remembered.
    fn content_of_layers(
        &self,
        op: &MountOp,
        layers: &[Digest],
        source: &str,
    ) -> Result<String, BuildError> {
        let chain = chain(layers);
        if crate::instruction::clean_join("/", source) == "/" {
            return Ok(chain);
        }
        let mut key = KeyBuilder::new("mount/1");
        key.add("layers", "", chain).add("source", "", source);
        let (key, _) = key.finish();
        if let Some(record) = self.store.cache_get(&key)? {
            return Ok(record.text);
        }
        std::fs::create_dir_all(self.dir).context("creating", self.dir)?;
        let root = view(self.store, layers, self.dir)?;
        let found = exact(
            &layer_tree(op, &root, &tree_name(op, written_from(op))),
            source,
        )?;
        let content = digest_matches(&root, &[found], None, true, &mut Vec::new())?;
        self.store.cache_put(&CacheRecord {
            key,
            shape: "content".to_owned(),
            layer: None,
            created: jiff::Timestamp::now().to_string(),
            took_ms: 0,
            text: content.clone(),
            inputs: Vec::new(),
            about: Vec::new(),
        })?;
        Ok(content)
    }
}

/// A mounted stage or image as a tree to list.
pub fn layer_tree<'a>(op: &MountOp, root: &'a Root, name: &'a str) -> Tree<'a> {
    debug_assert!(op.from != Some(CopyFrom::Context));
    Tree {
        root,
        ignore: None,
        ignore_name: "",
        name,
    }
}

/// The chain ID, or a word for the empty stack.
pub fn chain(layers: &[Digest]) -> String {
    kiln_oci::chain_id(layers).map_or_else(|| "empty".to_owned(), |d| d.to_string())
}

fn look(look: &Look) -> String {
    let part = |name: &str, value: Option<u32>| match value {
        Some(v) => format!(" {name}={v}"),
        None => String::new(),
    };
    part("uid", look.uid) + &part("gid", look.gid) + &part("mode", look.mode)
}
