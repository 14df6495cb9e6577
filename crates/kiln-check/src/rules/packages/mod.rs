//! Package managers in RUN.

pub(super) mod apt;
pub(super) mod pinned;
pub(super) mod pins;
pub(super) mod pip;
pub(super) mod ruby;
pub(super) mod unattended;
pub(super) mod upgrades;

use crate::finding::{Finding, Fix};
use crate::shell::{Arg, Command, Script};
use crate::subject::Subject;

/// How a package manager's command line is read.
pub(super) struct Manager {
    /// The programs that take it.
    pub programs: &'static [&'static str],
    /// Flags whose value is a word of its own.
    pub with_value: &'static [&'static str],
}

pub(super) const APT_GET: Manager = Manager {
    programs: &["apt-get"],
    with_value: &[
        "-t",
        "--target-release",
        "--default-release",
        "-o",
        "--option",
        "-c",
        "--config-file",
        "-a",
        "--host-architecture",
    ],
};

pub(super) const APK: Manager = Manager {
    programs: &["apk"],
    with_value: &[
        "-t",
        "--virtual",
        "-X",
        "--repository",
        "-p",
        "--root",
        "--arch",
        "--keys-dir",
        "--repositories-file",
        "--cache-dir",
        "--cache-max-age",
        "--wait",
    ],
};

const RPM_VALUES: &[&str] = &[
    "-c",
    "--config",
    "-x",
    "--exclude",
    "--enablerepo",
    "--disablerepo",
    "--repo",
    "--repoid",
    "--installroot",
    "--releasever",
    "--setopt",
];

pub(super) const YUM: Manager = Manager {
    programs: &["yum"],
    with_value: RPM_VALUES,
};

pub(super) const DNF: Manager = Manager {
    programs: &["dnf", "microdnf"],
    with_value: RPM_VALUES,
};

pub(super) const ZYPPER: Manager = Manager {
    programs: &["zypper"],
    with_value: &[
        "-t", "--type", "-r", "--repo", "-R", "--root", "--from", "-p", "-C", "-D",
    ],
};

/// A call of a package manager.
pub(super) struct Call<'s> {
    /// Number of the instruction.
    pub n: usize,
    /// The script it is in.
    pub script: &'s Script,
    /// The command.
    pub command: &'s Command,
    /// `install` and the like.
    pub verb: &'s Arg,
    /// What follows the verb and is neither a flag nor a flag's value.
    pub operands: Vec<&'s Arg>,
    with_value: &'static [&'static str],
}

impl Manager {
    /// All calls with a verb.
    pub fn calls<'s>(&'s self, subject: &'s Subject) -> impl Iterator<Item = Call<'s>> {
        all_commands(subject).filter_map(move |(n, script, command)| {
            let known = self.programs.contains(&command.program());
            known.then(|| Call::of(n, script, command, self.with_value))?
        })
    }
}

impl<'s> Call<'s> {
    /// Takes a command apart; nothing where it has no verb.
    pub fn of(
        n: usize,
        script: &'s Script,
        command: &'s Command,
        with_value: &'static [&'static str],
    ) -> Option<Call<'s>> {
        let mut operands = command.operands_besides(with_value);
        if operands.is_empty() {
            return None;
        }
        Some(Call {
            n,
            script,
            command,
            verb: operands.remove(0),
            operands,
            with_value,
        })
    }

    /// Whether the verb is one of these.
    pub fn does(&self, verbs: &[&str]) -> bool {
        verbs.contains(&self.verb.text.as_str())
    }

    /// How often a letter is among the short flags; letters of values don't count.
    pub fn letters(&self, letter: char) -> usize {
        let takes_value = |c: char| {
            let mut flags = self.with_value.iter();
            flags.any(|f| f.len() == 2 && f.ends_with(c))
        };
        let mut count = 0;
        for flag in self.command.flags().filter(|f| !f.text.starts_with("--")) {
            for c in flag.text.chars().skip(1) {
                count += usize::from(c == letter);
                if takes_value(c) || c == '=' {
                    break;
                }
            }
        }
        count
    }

    /// Whether it has a long flag, or one of the letters.
    pub fn has(&self, letters: &str, long: &[&str]) -> bool {
        letters.chars().any(|c| self.letters(c) > 0) || self.command.has_any_flag(long)
    }

    /// Offers to write a flag behind a word of the command.
    pub fn offer(&self, finding: &mut Finding, behind: &Arg, flag: &str) {
        if self.script.editable() {
            let at = self.script.span(behind.range.clone()).range().end;
            finding.fix(Fix::replace(
                format!("add {flag}"),
                at..at,
                format!(" {flag}"),
            ));
        }
    }
}

/// All commands of all scripts, with the numbers of their instructions.
pub(super) fn all_commands<'s>(
    subject: &'s Subject,
) -> impl Iterator<Item = (usize, &'s Script, &'s Command)> {
    let of = |(n, script): (usize, &'s Script)| script.commands.iter().map(move |c| (n, script, c));
    subject.scripts().flat_map(of)
}

/// `a, b and 3 more`
fn names(args: &[&Arg]) -> String {
    let mut shown: Vec<&str> = args.iter().take(3).map(|a| a.text.as_str()).collect();
    let more = args.len() - shown.len();
    match (shown.pop(), more) {
        (None, _) => String::new(),
        (Some(last), 0) if shown.is_empty() => last.to_owned(),
        (Some(last), 0) => format!("{} and {last}", shown.join(", ")),
        (Some(last), more) => format!("{}, {last} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use crate::fix::fix;
    use crate::subject::Surroundings;

    fn fixed(text: &str) -> String {
        let once = fix(
            text,
            &Surroundings::NONE,
            |r| r.id.starts_with("apt-"),
            |_, _| true,
        )
        .text;
        let twice = fix(
            &once,
            &Surroundings::NONE,
            |r| r.id.starts_with("apt-"),
            |_, _| true,
        )
        .text;
        assert_eq!(once, twice);
        once
    }

    #[test]
    fn fixes_go_together_and_keep_the_layout() {
        assert_eq!(
            fixed("FROM a\r\nRUN sudo apt install \\\r\n  # why\r\n    curl; \\\r\n  x\r\n"),
            "FROM a\r\nRUN sudo apt-get install --no-install-recommends -y \\\r\n  # why\r\n    curl; \\\r\n  x\r\n"
        );
        assert_eq!(
            fixed("FROM a\nRUN <<E\napt-get 'install' x\nE\n"),
            "FROM a\nRUN <<E\napt-get 'install' --no-install-recommends -y x\nE\n"
        );
    }

    #[test]
    fn what_has_no_place_of_its_own_is_not_touched() {
        let argv = "FROM a\nRUN [\"apt-get\", \"install\", \"x\"]\n";
        assert_eq!(fixed(argv), argv);
        let pattern = "FROM a\nRUN apt install -y '?name(x)'\nRUN apt upgrade -y\n";
        assert_eq!(fixed(pattern), pattern);
    }
}
