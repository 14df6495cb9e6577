//! Package managers with a command that cleans up: yum, dnf, zypper, yarn.

use crate::finding::{Findings, Fix};
use crate::layout::append;
use crate::rule::{Rule, Severity};
use crate::shell::{Command, Script};
use crate::subject::Subject;

use super::{below_any, certain, deletes, is_on_build, kept, mounted, targets, uninstalls};

/// The rules of this module.
pub static RULES: &[Rule] = &[YUM, DNF, ZYPPER, YARN];

/// `yum install` without `yum clean all`.
const YUM: Rule = Rule {
    id: "yum-clean",
    summary: "End a RUN of yum install with yum clean all",
    hadolint: &["DL3032"],
    lesson: Some("no leftovers"),
    fixes: true,
    check: |s, f| look(&YUM_CACHE, s, f),
    ..Rule::NEW
};

/// `dnf install` without `dnf clean all`.
const DNF: Rule = Rule {
    id: "dnf-clean",
    summary: "End a RUN of dnf install with dnf clean all",
    hadolint: &["DL3040"],
    lesson: Some("no leftovers"),
    fixes: true,
    check: |s, f| DNF_CACHES.iter().for_each(|c| look(c, s, f)),
    ..Rule::NEW
};

/// `zypper install` without `zypper clean`.
const ZYPPER: Rule = Rule {
    id: "zypper-clean",
    summary: "End a RUN of zypper install with zypper clean",
    hadolint: &["DL3036"],
    lesson: Some("no leftovers"),
    fixes: true,
    check: |s, f| look(&ZYPPER_CACHE, s, f),
    ..Rule::NEW
};

/// `yarn install` without `yarn cache clean`.
const YARN: Rule = Rule {
    id: "yarn-cache",
    summary: "End a RUN of yarn install with yarn cache clean",
    severity: Severity::Info,
    hadolint: &["DL3060"],
    lesson: Some("no leftovers"),
    fixes: true,
    check: |s, f| look(&YARN_CACHE, s, f),
    ..Rule::NEW
};

/// A package manager, what fills its cache, and what empties it.
pub(super) struct Cache {
    /// The program.
    pub program: &'static str,
    /// Whether a command of the program fills the cache.
    pub fills: fn(&Command) -> bool,
    /// Whether a command of the program empties it.
    pub empties: fn(&Command) -> bool,
    /// Where the cache is: the directories whose mount or deletion does as well.
    pub dirs: &'static [&'static str],
    /// A part of a cache mount's target that tells of this cache, wherever the home is.
    pub target: &'static str,
    /// The command that empties it.
    pub clean: &'static str,
    /// Whether that leaves the image as it is, as far as can be told.
    pub safe: fn(&Subject) -> bool,
}

const YUM_CACHE: Cache = Cache {
    program: "yum",
    fills: rpm_fills,
    empties: rpm_empties,
    dirs: &["/var/cache/yum", "/var/cache/dnf"],
    target: "/yum",
    clean: "yum clean all",
    safe: |_| true,
};

const DNF_CACHES: [Cache; 3] = [
    Cache {
        program: "dnf",
        clean: "dnf clean all",
        ..RPM
    },
    Cache {
        program: "microdnf",
        clean: "microdnf clean all",
        ..RPM
    },
    Cache {
        program: "dnf5",
        clean: "dnf5 clean all",
        ..RPM
    },
];

const RPM: Cache = Cache {
    program: "",
    dirs: &["/var/cache/dnf", "/var/cache/yum", "/var/cache/libdnf5"],
    target: "dnf",
    clean: "",
    ..YUM_CACHE
};

const ZYPPER_CACHE: Cache = Cache {
    program: "zypper",
    fills: |c| {
        let verbs = [
            "install",
            "in",
            "update",
            "up",
            "dist-upgrade",
            "dup",
            "patch",
        ];
        c.verb().is_some_and(|v| verbs.contains(&v))
    },
    empties: |c| matches!(c.verb(), Some("clean" | "cc")),
    dirs: &["/var/cache/zypp"],
    target: "zypp",
    clean: "zypper clean --all",
    safe: |_| true,
};

const YARN_CACHE: Cache = Cache {
    program: "yarn",
    fills: |c| match c.verb() {
        None => !c.has_any_flag(&["version", "v", "help", "h"]),
        Some(verb) => {
            let second = c.operands().get(1).map(|a| a.text.as_str());
            matches!(verb, "install" | "add") || verb == "global" && second == Some("add")
        }
    },
    empties: |c| {
        let words: Vec<&str> = c.operands().iter().map(|a| a.text.as_str()).collect();
        words.starts_with(&["cache", "clean"])
    },
    dirs: &[
        "/usr/local/share/.cache",
        "/root/.cache",
        "~/.cache",
        "$(yarn cache dir)",
    ],
    target: "yarn",
    clean: "yarn cache clean",
    safe: yarn_is_classic,
};

fn rpm_fills(command: &Command) -> bool {
    let verbs = [
        "install",
        "localinstall",
        "groupinstall",
        "reinstall",
        "update",
        "upgrade",
        "distro-sync",
        "builddep",
        "swap",
    ];
    let operands = command.operands_besides(&["-c", "-x", "--enablerepo", "--setopt"]);
    operands.iter().any(|v| verbs.contains(&v.text.as_str()))
}

fn rpm_empties(command: &Command) -> bool {
    let has = |w: &str| command.args().iter().any(|a| a.text == w);
    has("clean") && has("all")
}

/// Whether the project is one of Yarn 1: later ones may run what is in their cache.
fn yarn_is_classic(subject: &Subject) -> bool {
    let later = |c: &Command| c.args().iter().any(|a| a.text.contains(".yarn"));
    let mut scripts = subject.scripts();
    let corepack =
        |s: &Script| s.calls("corepack").next().is_some() || s.commands.iter().any(later);
    subject.around.context.is_some_and(|c| {
        let mut files = c.files.iter();
        !files.any(|f| f.path.ends_with(".yarnrc.yml") || f.path.ends_with(".yarn"))
    }) && !scripts.any(|(_, s)| corepack(s))
}

/// Looks for RUNs that fill a cache and don't empty it.
pub(super) fn look(cache: &Cache, subject: &Subject, findings: &mut Findings) {
    let offline = |c: &Command| {
        c.program() == cache.program && c.has_any_flag(&["C", "cacheonly", "offline"])
    };
    let reads = |s: &Script| s.commands.iter().any(offline);
    let needed = below_any(subject, |s| s.is_none_or(reads));
    for (n, script) in kept(subject) {
        let fills = |c: &&Command| (cache.fills)(c);
        let Some(filled) = script.calls(cache.program).filter(fills).last() else {
            continue;
        };
        let cleans = |c: &Command| {
            c.program() == cache.program && (cache.empties)(c) || deletes(c, cache.dirs)
        };
        let mut later = script.commands.iter();
        if later.any(|c| c.range.start > filled.range.start && cleans(c))
            || cache.dirs.iter().any(|d| mounted(subject, n, d))
            || targets(subject, n).any(|t| t.contains(cache.target))
        {
            continue;
        }
        let Cache { program, clean, .. } = cache;
        let verb = filled.verb().map_or(String::new(), |v| format!(" {v}"));
        let finding = findings.add(
            script.span(filled.range.clone()),
            format!("{program}{verb} leaves its cache in the layer: {clean} in the same RUN takes it out"),
        );
        let safe = certain(filled)
            && !uninstalls(script)
            && needed.get(n) == Some(&false)
            && (cache.safe)(subject);
        if !safe || is_on_build(subject, n) {
            continue;
        }
        if let Some(edit) = append(subject, n, clean) {
            finding.fix(Fix::edits(format!("run {clean}"), vec![edit]));
        }
    }
}
