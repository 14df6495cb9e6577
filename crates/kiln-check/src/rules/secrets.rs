//! Secrets that an image or its history would show.

use kiln_dockerfile::{Instruction, Kind, Span};

use super::taken::from_context;
use super::text::{inside, list};
use crate::finding::Findings;
use crate::rule::{Rule, Severity};
use crate::shell::Command;
use crate::subject::Subject;

/// The rules of this module.
pub static RULES: &[Rule] = &[
    Rule {
        id: "secrets-used-in-arg-or-env",
        summary: "Hand secrets to a build as secrets, not by ARG or ENV",
        hadolint: &["DL3064"],
        buildkit: &["SecretsUsedInArgOrEnv"],
        check: by_name,
        ..Rule::NEW
    },
    Rule {
        id: "credential-in-dockerfile",
        summary: "Write no password, token or key into a Dockerfile",
        severity: Severity::Error,
        check: by_value,
        ..Rule::NEW
    },
    Rule {
        id: "secret-copied",
        summary: "Copy no keys and credentials into the image",
        lesson: Some(".dockerignore"),
        check: copied,
        ..Rule::NEW
    },
];

/// Words that say secret, and words that say it is none, between underscores.
fn is_secret_name(name: &str) -> bool {
    const SECRET: [&str; 10] = [
        "apikey",
        "auth",
        "credential",
        "credentials",
        "key",
        "password",
        "pword",
        "passwd",
        "secret",
        "token",
    ];
    const HARMLESS: [&str; 3] = ["public", "file", "version"];
    let lower = name.to_ascii_lowercase();
    let has = |words: &[&str]| lower.split('_').any(|part| words.contains(&part));
    has(&SECRET) && !has(&HARMLESS)
}

fn by_name(subject: &Subject, findings: &mut Findings) {
    let escape = subject.file.directives.escape;
    for instruction in subject.instructions() {
        let instruction = match &instruction.kind {
            Kind::OnBuild(inner) => inner,
            _ => instruction,
        };
        let names: Vec<&str> = match &instruction.kind {
            Kind::Arg(declared) => declared.iter().map(|d| d.key.as_str()).collect(),
            Kind::Env(pairs) => pairs.iter().map(|p| p.key.as_str()).collect(),
            _ => continue,
        };
        let words = instruction.words(escape);
        for (n, name) in names.iter().enumerate().filter(|(_, n)| is_secret_name(n)) {
            let word = words.get(n).filter(|w| w.text.starts_with(name));
            let span = match word {
                Some(word) => instruction.line.span(word.start, word.start + name.len()),
                None => instruction.arguments_span(),
            };
            let what = instruction.name();
            findings.add(
                span,
                format!("{name} sounds like a secret, and {what} shows it to all who have the image: use RUN --mount=type=secret"),
            );
        }
    }
}

fn by_value(subject: &Subject, findings: &mut Findings) {
    let source = &subject.file.source;
    for (n, instruction) in subject.instructions().iter().enumerate() {
        let whole = instruction.span;
        let text = subject.file.source_of(whole);
        let mut at = whole.start;
        let mut seen = whole.range().start;
        let mut told: Vec<Span> = Vec::new();
        for (what, range) in credentials(text) {
            let range = whole.range().start + range.start..whole.range().start + range.end;
            // From one to the next, so that a long text is gone through once.
            let span = inside(source, Span { start: at, end: at }, range.clone());
            if range.start >= seen {
                (at, seen) = (span.start, range.start);
            }
            told.push(span);
            report(what, span, instruction, findings);
        }
        let Some(script) = subject.script(n) else {
            continue;
        };
        for command in &script.commands {
            let Some((what, range)) = password_of(command) else {
                continue;
            };
            let span = script.span(range);
            if !told
                .iter()
                .any(|t| t.start.offset < span.end.offset && span.start.offset < t.end.offset)
            {
                report(what, span, instruction, findings);
            }
        }
    }
}

/// The credential itself must not be told again.
fn report(what: &str, span: Span, instruction: &Instruction, findings: &mut Findings) {
    let how = match instruction.kind {
        Kind::Run { .. } => "use RUN --mount=type=secret",
        _ => "hand it to the container when it runs",
    };
    findings.add(
        span,
        format!("{what} in {}: it stays readable in the file and the image's history, so revoke it, and {how}", instruction.name()),
    );
}

type Hit = (&'static str, std::ops::Range<usize>);

/// Strings that look like credentials, wherever they stand.
fn credentials(text: &str) -> Vec<Hit> {
    let mut found = Vec::new();
    let separator = |c: char| {
        c.is_whitespace() || matches!(c, '"' | '\'' | '=' | ',' | '`' | '(' | ')' | '<' | '>')
    };
    let mut at = 0;
    for part in text.split(separator) {
        let (from, to) = (at, at + part.len());
        at = to
            + text
                .get(to..)
                .and_then(|t| t.chars().next())
                .map_or(0, char::len_utf8);
        if let Some((what, inner)) = token(part).or_else(|| in_url(part)) {
            found.push((what, from + inner.start..from + inner.end));
        }
    }
    for (at, _) in text.match_indices("-----BEGIN ") {
        let rest = text.get(at..).unwrap_or_default();
        let line = rest.lines().next().unwrap_or_default();
        if line
            .get(..80.min(line.len()))
            .unwrap_or(line)
            .contains("PRIVATE KEY-----")
        {
            found.push(("a private key", at..at + "-----BEGIN ".len()));
        }
    }
    found.sort_by_key(|(_, r)| r.start);
    found
}

/// How tokens of well-known services begin, and how many letters follow at least.
const TOKENS: [(&str, usize, &str); 17] = [
    ("AKIA", 16, "an AWS access key"),
    ("ASIA", 16, "an AWS access key"),
    ("ghp_", 36, "a GitHub token"),
    ("gho_", 36, "a GitHub token"),
    ("ghu_", 36, "a GitHub token"),
    ("ghs_", 36, "a GitHub token"),
    ("ghr_", 36, "a GitHub token"),
    ("github_pat_", 22, "a GitHub token"),
    ("glpat-", 20, "a GitLab token"),
    ("npm_", 36, "an npm token"),
    ("pypi-AgE", 50, "a PyPI token"),
    ("dckr_pat_", 20, "a Docker Hub token"),
    ("xoxb-", 20, "a Slack token"),
    ("xoxp-", 20, "a Slack token"),
    ("sk_live_", 16, "a Stripe key"),
    ("AIza", 35, "a Google API key"),
    ("hf_", 34, "a Hugging Face token"),
];

fn token(part: &str) -> Option<Hit> {
    // A token may stand behind a colon or a slash.
    let mut from = 0;
    for piece in part.split_inclusive([':', '/', '@', ';', '&', '?']) {
        let word = piece.trim_end_matches([':', '/', '@', ';', '&', '?']);
        for (prefix, least, what) in TOKENS {
            let Some(rest) = word.strip_prefix(prefix) else {
                continue;
            };
            let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
            let aws = prefix.len() == 4 && prefix.ends_with("IA");
            let exact = !aws
                || (rest.len() == least
                    && rest
                        .chars()
                        .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit()));
            if rest.len() >= least && rest.chars().all(fits) && exact {
                return Some((what, from..from + word.len()));
            }
        }
        from += piece.len();
    }
    None
}

/// `https://user:password@host`
fn in_url(part: &str) -> Option<Hit> {
    let at = part.find("://")? + 3;
    let rest = part.get(at..)?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let (user, _) = authority.rsplit_once('@')?;
    let (_, password) = user.split_once(':')?;
    let plain = !password.is_empty() && !password.contains(['$', '{', '*']);
    plain.then_some(("a password in a URL", at..at + user.len()))
}

/// The argument of a command that is a password.
fn password_of(command: &Command) -> Option<Hit> {
    let args = command.args();
    let value = |flags: &[&str]| {
        let mut words = args.iter().enumerate();
        words.find_map(|(n, a)| {
            let (flag, own) = match a.text.split_once('=') {
                Some((flag, own)) => (flag, Some(own.len())),
                None => (a.text.as_str(), None),
            };
            if !a.fixed || !flags.contains(&flag) {
                return None;
            }
            match own {
                Some(0) => None,
                Some(_) => Some(a),
                None => args
                    .get(n + 1)
                    .filter(|v| v.fixed && !v.text.is_empty() && !v.text.starts_with('-')),
            }
        })
    };
    let hit = match command.program() {
        "curl" => {
            value(&["-u", "--user"]).filter(|a| a.text.contains(':') && !a.text.ends_with(':'))
        }
        "wget" => value(&["--password", "--http-password", "--ftp-password"]),
        "sshpass" => value(&["-p"]),
        "docker" | "podman" | "buildah" | "skopeo" | "helm" => {
            value(&["-p", "--password"]).filter(|_| args.iter().any(|a| a.text == "login"))
        }
        "psql" | "mysql" | "mysqladmin" | "mariadb" => value(&["--password"]),
        _ => None,
    };
    hit.map(|a| ("a password", a.range.clone()))
}

/// Why a file is a secret, by its name.
pub(super) fn secret_file(path: &str) -> Option<&'static str> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let lower = name.to_ascii_lowercase();
    let example = ["example", "sample", "template", "dist", "test"];
    Some(match lower.as_str() {
        "id_rsa" | "id_dsa" | "id_ecdsa" | "id_ed25519" => "an SSH key",
        ".npmrc" | ".yarnrc.yml" | ".pypirc" | ".netrc" | "_netrc" | ".git-credentials" => {
            "credentials"
        }
        ".env" => "environment secrets",
        _ if path.ends_with(".aws/credentials") || path.ends_with(".docker/config.json") => {
            "credentials"
        }
        _ if lower.starts_with(".env.") && !example.iter().any(|e| lower.contains(e)) => {
            "environment secrets"
        }
        _ if lower.ends_with(".key") || lower.ends_with(".p12") || lower.ends_with(".pfx") => {
            "a private key"
        }
        _ if lower.ends_with(".pem") && (lower.contains("key") || lower.contains("priv")) => {
            "a private key"
        }
        _ => return None,
    })
}

fn copied(subject: &Subject, findings: &mut Findings) {
    let Some(last) = subject.final_stage() else {
        return;
    };
    let shipped = subject.ancestry(last.index);
    let in_image = |n: usize| {
        shipped
            .iter()
            .any(|s| subject.stages.get(*s).is_some_and(|s| s.range.contains(&n)))
    };
    let escape = subject.file.directives.escape;
    for copy in from_context(subject).iter().filter(|c| in_image(c.index)) {
        for (path, written) in copy.sources() {
            let span = copy.span_of(escape, written);
            if let Some(what) = secret_file(&path) {
                findings.add(span, format!("{path} holds {what}, which all who have the image can read: use RUN --mount=type=secret, or hand it over when the container runs"));
                continue;
            }
            let Some(context) = subject.around.context else {
                continue;
            };
            let files = copy.files(context, &path).filter(|f| !f.dir);
            let secret: Vec<&str> = files
                .map(|f| f.path.as_str())
                .filter(|p| secret_file(p).is_some())
                .collect();
            if !secret.is_empty() {
                findings.add(span, format!("{written} takes {} into the image, which all who have it can read: name them in .dockerignore", list(&secret)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_credential() {
        let key = format!("ENV A=AKIA{}", "Q".repeat(16));
        assert_eq!(credentials(&key), [("an AWS access key", 6..26)]);
        let url = "RUN git clone https://bob:x1y@host/r.git";
        assert_eq!(credentials(url), [("a password in a URL", 22..29)]);
        let pat = format!("RUN git clone https://ghp_{}@github.com/a", "a".repeat(36));
        assert_eq!(credentials(&pat).len(), 1);
        for none in [
            "https://$U:$P@host",
            "https://bob@host",
            "AKIA",
            "ssh://git@h:22/x",
            "a:b@c",
            "glpat-short",
        ] {
            assert!(credentials(none).is_empty(), "{none}");
        }
    }

    #[test]
    fn names_of_secret_files() {
        for secret in [
            "a/id_rsa",
            ".env",
            ".env.production",
            "tls.key",
            "private.pem",
            ".aws/credentials",
        ] {
            assert!(secret_file(secret).is_some(), "{secret}");
        }
        for none in [
            "id_rsa.pub",
            ".env.example",
            "ca.pem",
            "key.txt",
            "credentials",
            "keys",
        ] {
            assert!(secret_file(none).is_none(), "{none}");
        }
    }
}
