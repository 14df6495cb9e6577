//! ADD where COPY does.

use kiln_dockerfile::{CopyArgs, CopySource, Instruction, Kind};

use crate::finding::{Findings, Fix};
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// The rules of this module.
pub static RULES: &[Rule] = &[ADD_INSTEAD_OF_COPY];

/// `ADD app.conf /etc/`.
const ADD_INSTEAD_OF_COPY: Rule = Rule {
    id: "add-instead-of-copy",
    summary: "Use COPY for files and directories; ADD is for archives and addresses",
    severity: Severity::Error,
    hadolint: &["DL3020"],
    lesson: Some("COPY over ADD"),
    fixes: true,
    check: add,
    ..Rule::NEW
};

/// Endings of what ADD unpacks.
const ARCHIVES: [&str; 19] = [
    ".tar", ".gz", ".bz2", ".xz", ".zst", ".tgz", ".tbz", ".tbz2", ".tb2", ".tz2", ".txz", ".tzst",
    ".lz", ".lzma", ".tlz", ".taz", ".z", ".tzo", ".zstd",
];

fn add(subject: &Subject, findings: &mut Findings) {
    for instruction in subject.instructions() {
        let inner = match &instruction.kind {
            Kind::OnBuild(inner) => inner,
            _ => instruction,
        };
        if let Kind::Add(args) = &inner.kind {
            one(subject, inner, args, findings);
        }
    }
}

fn one(subject: &Subject, instruction: &Instruction, args: &CopyArgs, findings: &mut Findings) {
    let plain = |s: &CopySource| match s {
        CopySource::Path(path) => !is_archive(path) && !is_remote(path),
        CopySource::Heredoc(_) => true,
    };
    if !args.sources.iter().any(plain) {
        return;
    }
    let span = instruction.keyword_span();
    let finding = findings.add(
        span,
        "ADD also unpacks archives and fetches addresses: COPY says that the files arrive as they are",
    );
    let own = ["keep-git-dir", "checksum", "unpack"];
    let takes = args.flags.iter().all(|f| !own.contains(&f.name.as_str()));
    let certain = |s: &CopySource| match s {
        CopySource::Path(path) => plain(s) && is_named(subject, path),
        CopySource::Heredoc(_) => true,
    };
    if takes && args.sources.iter().all(certain) {
        let lower = instruction.keyword.chars().all(|c| c.is_ascii_lowercase());
        let keyword = if lower { "copy" } else { "COPY" };
        finding.fix(Fix::replace("write COPY", span.range(), keyword));
    }
}

fn bare(path: &str) -> &str {
    path.trim_matches(['"', '\''])
}

fn is_archive(path: &str) -> bool {
    let path = bare(path).to_ascii_lowercase();
    ARCHIVES.iter().any(|a| path.ends_with(a))
}

fn is_remote(path: &str) -> bool {
    let path = bare(path);
    path.contains("://")
        || path.starts_with("git@")
        || path.starts_with("github.com/")
        || path.split('#').next().is_some_and(|p| p.ends_with(".git"))
}

/// Whether what a source names is known not to be an archive: no variable, and no pattern that an
/// archive could match.
fn is_named(subject: &Subject, path: &str) -> bool {
    if path.contains('$') {
        return false;
    }
    let Some(star) = path.rfind(['*', '?', ']']) else {
        return true;
    };
    let ending = path.get(star + 1..).unwrap_or_default();
    if ending.starts_with('.') {
        return true;
    }
    // The context knows what is there, if the pattern is in one directory.
    let dir = path
        .trim_start_matches("./")
        .rsplit_once('/')
        .map_or("", |(d, _)| d);
    let inside = |f: &str| f.rsplit_once('/').map_or("", |(d, _)| d) == dir;
    subject.around.context.is_some_and(|c| {
        let mut files = c.files.iter().filter(|f| inside(&f.path));
        !dir.contains(['*', '?', '[']) && !files.any(|f| is_archive(&f.path))
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::{Surroundings, check, fix};
    use kiln_dockerfile::parse;

    fn found(run: &str) -> (bool, bool) {
        let text = format!("FROM a\n{run}\n");
        let only = |r: &crate::Rule| r.id == "add-instead-of-copy";
        let found = check(&parse(text.as_bytes()).unwrap(), &Surroundings::NONE, only);
        let fixed = fix(&text, &Surroundings::NONE, only, |_, _| true);
        (!found.is_empty(), fixed.text != text)
    }

    #[test]
    fn what_only_add_does_stays() {
        for run in [
            "ADD a.tar.gz /",
            "ADD \"a.tgz\" /",
            "ADD http://x/y /",
            "ADD git@github.com:a/b.git /",
            "ADD https://github.com/a/b.git#v1 /",
            "ADD a.xz b.Z /d/",
            "COPY a /",
        ] {
            assert_eq!(found(run), (false, false), "{run}");
        }
        for run in [
            "ADD --unpack=true a /",
            "ADD $A /",
            "ADD a b.tar /",
            "ADD * /",
        ] {
            assert_eq!(found(run), (true, false), "{run}");
        }
        for run in [
            "ADD a /",
            "ADD a.zip /",
            "ADD --chown=1:1 --link a b /c/",
            "ADD *.jar /",
            "add a /",
            "ONBUILD ADD . /",
            "ADD [\"a b\", \"/\"]",
            "ADD <<E /f\nx\nE",
        ] {
            assert_eq!(found(run), (true, true), "{run}");
        }
    }
}
