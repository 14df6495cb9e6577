//! The first thing that differs between a step and a record of it.

use kiln_store::Input;

use super::facts::{Facts, Origin};
use super::{Cause, What};

/// Inputs that come from the instruction itself.
const OWN: [&str; 12] = [
    "argv", "script", "kind", "dest", "chown", "chmod", "owners", "exclude", "parents", "source",
    "unpack", "path",
];

/// Tells which files of two steps differ: those of a COPY, or of the mount of that name.
pub type Files<'f> = dyn Fn(&Facts, &Facts, &str) -> Option<Cause> + 'f;

/// What differs first, in the order a user asks for it; files are asked for last.
///
/// With `later`, the steps before and the base are taken as they are.
pub fn compare(old: &Facts, new: &Facts, later: bool, files: &Files) -> Option<Cause> {
    let before = || if later { None } else { before(old, new) };
    changed(What::Platform, platform(old), platform(new))
        .or_else(before)
        .or_else(|| instruction(old, new))
        .or_else(|| mentioned(old, new))
        .or_else(|| body(old, new))
        .or_else(|| {
            let network = |f: &Facts| f.input("network").map(str::to_ascii_lowercase);
            changed(What::Network, network(old), network(new))
        })
        .or_else(|| named(What::Host, "host", old, new))
        .or_else(|| environment(old, new))
        .or_else(|| simple(What::User, "user", old, new))
        .or_else(|| simple(What::Workdir, "cwd", old, new))
        .or_else(|| content(old, new, files))
        .or_else(|| mount(old, new, files))
        .or_else(|| own(old, new))
}

/// How many things that are known of a step are equal.
pub fn alike(old: &Facts, new: &Facts) -> usize {
    let equal = |new: &[Input], old: &[Input]| new.iter().filter(|i| old.contains(i)).count();
    equal(new.inputs, old.inputs) + equal(new.about, old.about)
}

fn text(t: impl Into<String>) -> Option<String> {
    Some(t.into())
}

fn changed(what: What, old: Option<String>, new: Option<String>) -> Option<Cause> {
    (old != new).then(|| Cause::Changed {
        what,
        name: String::new(),
        old,
        new,
    })
}

fn simple(what: What, kind: &str, old: &Facts, new: &Facts) -> Option<Cause> {
    let value = |f: &Facts| f.input(kind).map(str::to_owned);
    changed(what, value(old), value(new))
}

fn platform(f: &Facts) -> Option<String> {
    let value = f.input("platform")?;
    text(value.trim_end_matches('/'))
}

/// The base image, or the step before.
fn before(old: &Facts, new: &Facts) -> Option<Cause> {
    if old.parent() == new.parent() {
        return None;
    }
    if !old.is_first() || !new.is_first() {
        // Which steps those are is for whoever knows the records.
        return Some(Cause::Before {
            old: old.parent().to_owned(),
            new: new.parent().to_owned(),
            cause: None,
        });
    }
    let split = |f: &Facts<'_>| match f.parent().split_once('@') {
        Some((chain, epoch)) => (chain.to_owned(), text(epoch)),
        None => (f.parent().to_owned(), None),
    };
    let ((a, old_epoch), (b, new_epoch)) = (split(old), split(new));
    if a == b {
        return changed(What::Epoch, old_epoch, new_epoch);
    }
    let base = |f: &Facts, chain: String| match f.known("base") {
        Some(b) if b.value.is_empty() => text(b.name.clone()),
        Some(b) => text(format!("{} ({})", b.name, b.value)),
        None => Some(chain),
    };
    changed(What::Base, base(old, a.clone()), base(new, b.clone()))
        .or_else(|| changed(What::Base, Some(a), Some(b)))
}

/// The text, where it makes a difference.
fn instruction(old: &Facts, new: &Facts) -> Option<Cause> {
    if old.text == new.text {
        return None;
    }
    let own = |f: &Facts<'_>| -> Vec<String> {
        let inputs = f.inputs.iter().filter(|i| OWN.contains(&i.kind.as_str()));
        let network = f.inputs.iter().filter(|i| i.kind == "network");
        let sources = f.about.iter().filter(|i| i.kind == "source");
        let all = inputs.chain(network).chain(sources);
        all.map(|i| format!("{} {}", i.kind, i.value)).collect()
    };
    if own(old) == own(new) {
        return None;
    }
    changed(What::Instruction, text(old.text), text(new.text))
}

/// A variable that the text names.
fn mentioned(old: &Facts, new: &Facts) -> Option<Cause> {
    if new.inputs.iter().any(|i| i.kind == "argv") {
        return None;
    }
    let of = |f: &Facts<'_>, name: &str| {
        let value = |i: &&Input| i.name == name && what(&i.kind).is_some();
        f.about.iter().find(value).map(|i| i.value.clone())
    };
    new.about.iter().chain(old.about).find_map(|i| {
        let what = what(&i.kind)?;
        let (old, new) = (of(old, &i.name), of(new, &i.name));
        (old != new).then(|| Cause::Changed {
            what,
            name: i.name.clone(),
            old,
            new,
        })
    })
}

fn what(kind: &str) -> Option<What> {
    match kind {
        k if k == Origin::Arg.kind() => Some(What::Arg),
        k if k == Origin::Env.kind() => Some(What::Env),
        k if k == Origin::Base.kind() => Some(What::BaseEnv),
        _ => None,
    }
}

/// The command under a text that stayed: the shell, or a here-document.
fn body(old: &Facts, new: &Facts) -> Option<Cause> {
    let argv = |f: &Facts<'_>| -> Vec<String> {
        let script = f.all("script");
        f.all("argv")
            .chain(script)
            .map(|(_, v)| v.to_owned())
            .collect()
    };
    let (a, b) = (argv(old), argv(new));
    if a == b {
        return None;
    }
    let (Some((last_a, shell_a)), Some((last_b, shell_b))) = (a.split_last(), b.split_last())
    else {
        return changed(What::Instruction, text(a.join(" ")), text(b.join(" ")));
    };
    if last_a == last_b {
        let (a, b) = (text(shell_a.join(" ")), text(shell_b.join(" ")));
        return changed(What::Shell, a, b);
    }
    let (n, a, b) = first_line(last_a, last_b);
    Some(Cause::Changed {
        what: What::Heredoc,
        name: format!("line {n}"),
        old: a,
        new: b,
    })
}

/// The first line that differs, counted from 1.
fn first_line(a: &str, b: &str) -> (usize, Option<String>, Option<String>) {
    let (mut a, mut b) = (a.lines(), b.lines());
    let mut n = 0;
    loop {
        n += 1;
        match (a.next(), b.next()) {
            (Some(x), Some(y)) if x == y => {}
            (x, y) => return (n, x.map(str::to_owned), y.map(str::to_owned)),
        }
    }
}

/// What of inputs with names changed first: a value, one that is new, one that is gone.
fn named(what: What, kind: &str, old: &Facts, new: &Facts) -> Option<Cause> {
    let of = |f: &Facts<'_>| -> Vec<(String, String)> {
        let found = f.inputs.iter().filter(|i| i.kind == kind);
        found.map(|i| (i.name.clone(), i.value.clone())).collect()
    };
    let (a, b) = (of(old), of(new));
    let value = |list: &[(String, String)], name: &str| {
        let found = list.iter().rfind(|(n, _)| n == name);
        found.map(|(_, v)| v.clone())
    };
    let cause = |name: &str| Cause::Changed {
        what,
        name: name.to_owned(),
        old: value(&a, name),
        new: value(&b, name),
    };
    let other = |(n, v): &&(String, String)| value(&a, n).is_some_and(|old| old != *v);
    let added = |(n, _): &&(String, String)| value(&a, n).is_none();
    let removed = |(n, _): &&(String, String)| value(&b, n).is_none();
    let first = b.iter().find(other).or_else(|| b.iter().find(added));
    let first = first.or_else(|| a.iter().find(removed));
    if let Some((name, _)) = first {
        return Some(cause(name));
    }
    let names = |list: &[(String, String)]| {
        let names: Vec<&str> = list.iter().map(|(n, _)| n.as_str()).collect();
        names.join(" ")
    };
    (a != b).then(|| Cause::Changed {
        what: What::EnvOrder,
        name: String::new(),
        old: text(names(&a)),
        new: text(names(&b)),
    })
}

fn environment(old: &Facts, new: &Facts) -> Option<Cause> {
    let mut cause = named(What::Env, "env", old, new)?;
    if let Cause::Changed {
        what: w @ What::Env,
        name,
        new: value,
        ..
    } = &mut cause
    {
        let there = if value.is_some() { new } else { old };
        *w = what(there.origin(name)).unwrap_or(What::Env);
    }
    Some(cause)
}

fn content(old: &Facts, new: &Facts, files: &Files) -> Option<Cause> {
    let (a, b) = (old.input("content"), new.input("content"));
    if a == b {
        return None;
    }
    files(old, new, "").or_else(|| {
        let short = |d: Option<&str>| d.map(|d| d.chars().take(12).collect());
        changed(What::Content, short(a), short(b))
    })
}

/// The mounts of a RUN: their files, where those are known.
fn mount(old: &Facts, new: &Facts, files: &Files) -> Option<Cause> {
    let cause = named(What::Mount, "mount", old, new)?;
    let of = match &cause {
        Cause::Changed { name, .. } => name.as_str(),
        _ => "",
    };
    files(old, new, of).or(Some(cause))
}

/// Anything else of the key.
fn own(old: &Facts, new: &Facts) -> Option<Cause> {
    let differs = |i: &&Input| i.kind != "parent" && !old.inputs.contains(i);
    let i = new.inputs.iter().find(differs)?;
    let was = old
        .inputs
        .iter()
        .find(|o| o.kind == i.kind && o.name == i.name);
    Some(Cause::Changed {
        what: What::Other,
        name: i.kind.clone(),
        old: was.map(|o| o.value.clone()),
        new: text(&i.value),
    })
}

#[cfg(test)]
#[path = "compare_tests.rs"]
mod tests;
