//! Whatever a file is made of, its fixes come to an end, and there is nothing left for them to do.
#![allow(clippy::unwrap_used)]

use kiln_dockerfile::parse;
use proptest::prelude::*;

use crate::subject::{ContextFacts, ContextFile, Surroundings};
use crate::{check, fix};

/// Instructions as people write them.
const LINES: [&str; 44] = [
    "FROM debian:12",
    "from debian:12 as Build",
    "FROM build",
    "RUN apt-get update",
    "RUN apt-get install curl",
    "RUN apt-get update && \\\n    apt-get install -y curl",
    "RUN apt-get update \\\n  && apt-get install gcc \\\n  # why\n  && make",
    "RUN rm -rf /var/lib/apt/lists/*",
    "RUN apt-get update; apt-get install -y x;",
    "RUN <<EOF\napt-get update\napt-get install -y curl\nEOF",
    "RUN <<-EOF\n\tset -e\n\tapt-get update\nEOF",
    "RUN [\"apt-get\", \"update\"]",
    "ONBUILD RUN apt-get update",
    "RUN --mount=type=cache,target=/var/lib/apt apt-get update",
    "RUN --mount=type=cache,target=/root/.npm npm ci",
    "RUN npm ci",
    "RUN yarn install --frozen-lockfile",
    "RUN apk update",
    "RUN apk add curl",
    "RUN yum install -y x || yum install y",
    "RUN dnf -y install x",
    "RUN cd /x && make",
    "RUN make || true",
    "RUN pip install x",
    "RUN sudo apt-get update",
    "RUN curl -O https://x/y.tgz && tar xf y.tgz",
    "RUN curl x | sh",
    "RUN false &",
    "# a comment",
    "# hadolint ignore=DL3059",
    "",
    "ADD a.sh /a.sh",
    "COPY a.sh b.sh /b/",
    "RUN chmod +x /a.sh",
    "RUN chmod 700 /b/a.sh /b/b.sh && echo x",
    "RUN chown 1:1 /a.sh",
    "ADD x.tar.gz https://x/y /z/",
    "ENV a b  c",
    "LABEL \"a b\" c 'd'",
    "WORKDIR /b",
    "USER app",
    "CMD a b",
    "ENTRYPOINT exec a 'b c'",
    "MAINTAINER me",
];

fn facts() -> ContextFacts {
    let file = |path: &str| ContextFile {
        path: path.to_owned(),
        bytes: 10,
        dir: false,
        ignored: false,
        mode: Some(0o644),
    };
    ContextFacts {
        files: ["a.sh", "b.sh", "package.json"].map(file).into(),
        ..ContextFacts::default()
    }
}

proptest! {
    #[test]
    fn fixing_comes_to_rest(picks in prop::collection::vec(0usize..44, 1..25), windows: bool) {
        let lines = picks.iter().map(|p| LINES[*p]);
        let lines: Vec<&str> = ["FROM debian:12"].into_iter().chain(lines).collect();
        let mut text = lines.join("\n");
        if windows {
            text = text.replace('\n', "\r\n");
        }
        let context = facts();
        let around = Surroundings {
            context: Some(&context),
            ..Surroundings::NONE
        };
        let once = fix(&text, &around, |_| true, |_, _| true);
        let file = parse(once.text.as_bytes()).unwrap();
        let left = check(&file, &around, |_| true).into_iter();
        let left: Vec<_> = left
            .filter(|f| f.fix.as_ref().is_some_and(|f| !f.edits.is_empty()))
            .map(|f| (f.rule.id, f.span.start.line))
            .collect();
        prop_assert!(left.is_empty(), "{:?}\n{}\n=> {}", left, text, once.text);
        // Comments stay, and so do line ends.
        let comments = |text: &str| text.matches("# ").count();
        prop_assert_eq!(comments(&once.text), comments(&text), "{}\n=> {}", text, once.text);
        prop_assert_eq!(once.text.contains("\r\n"), text.contains("\r\n"));
        prop_assert_eq!(once.text.replace("\r\n", "").contains('\n'), text.replace("\r\n", "").contains('\n'));
    }
}
