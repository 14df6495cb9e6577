//! Whatever a Dockerfile says, the rules judge it without falling over, and fixes leave a Dockerfile.

use kiln_check::{ContextFacts, ContextFile, RULES, Surroundings, check, fix};
use kiln_dockerfile::parse;
use proptest::prelude::*;

/// Lines that rules have something to say of, and parts that break them.
const LINES: [&str; 40] = [
    "FROM debian:12 AS Build",
    "FROM --platform=$TARGETPLATFORM scratch",
    "from build as b",
    "FROM ${X:-a}:$Y",
    "ARG X=1 Y",
    "ENV a=$b é=${c:-\"ü\"} PASSWORD=\\",
    "",
    " \t",
    "# hadolint ignore=all",
    "COPY . .",
    "COPY --from=Build / /",
    "COPY a b/ /x/",
    "COPY [\"a\", \"/x/\"]",
    "COPY <<A <<-B /x/",
    "A",
    "\tB",
    "ADD http://h/a.tgz /tmp/",
    "RUN tar xf /tmp/a.tgz && rm -rf /tmp/*",
    "RUN curl -u ö:p -o /ü https://u:ß@h/ | sh \\",
    "RUN apt-get install -y gcc é-dev",
    "RUN <<A",
    "RUN --mount=type=bind,from=BUILD,source=x npm ci",
    "RUN [\"rm\", \"/ü\"]",
    "WORKDIR ./a",
    "WORKDIR 'ü",
    "USER $u",
    "EXPOSE 1:2/TCP [::1]:80:80/Ü $x/${Y}",
    "VOLUME /data [\"/x\"]",
    "VOLUME [\"/data\"]",
    "RUN chown a /data/é",
    "CMD a",
    "CMD [\"a\"]",
    "ENTRYPOINT b",
    "HEALTHCHECK NONE",
    "HEALTHCHECK CMD x",
    "MAINTAINER é \"$x\\",
    "ONBUILD EXPOSE 5/TCP",
    "ONBUILD ARG token=AKIAIOSFODNN7EXAMPLE",
    "LABEL a=-----BEGIN",
    "RUN x \\",
];

fn context() -> ContextFacts {
    let file = |path: &str| ContextFile {
        path: path.to_owned(),
        bytes: 60_000_000,
        dir: false,
        ignored: false,
        mode: None,
    };
    let paths = [".env", "a", "node_modules/é/x", "package.json", "ü/db.sql"];
    ContextFacts {
        files: paths.iter().map(|p| file(p)).collect(),
        ignore: None,
    }
}

proptest! {
    #[test]
    fn is_judged_and_fixed(
        lines in prop::collection::vec(prop::sample::select(LINES.to_vec()), 1..12),
        end in prop::sample::select(vec!["\n", "\r\n"]),
    ) {
        let text = format!("FROM debian:12{end}{}", lines.join(end));
        let Ok(file) = parse(text.as_bytes()) else {
            return Ok(());
        };
        let context = context();
        let around = Surroundings {
            context: Some(&context),
            ..Surroundings::NONE
        };
        for finding in check(&file, &around, |_| true) {
            prop_assert!(text.get(finding.span.range()).is_some(), "{finding:?}");
        }
        for rule in RULES.iter().filter(|r| r.fixes) {
            let fixed = fix(&text, &around, |r| r.id == rule.id, |_, _| true);
            prop_assert!(parse(fixed.text.as_bytes()).is_ok());
            let again = fix(&fixed.text, &around, |r| r.id == rule.id, |_, _| true);
            prop_assert_eq!(again.text, fixed.text, "{}", rule.id);
        }
    }
}
