//! All rules, by subject.

mod add_copy;
mod base_names;
mod bases;
mod build_tools;
mod cache_order;
mod casing;
mod consecutive_runs;
mod context;
mod copied;
mod copies;
mod copy;
mod expose;
mod from_args;
mod image_name;
mod json_form;
mod label_values;
mod labels;
mod later_layers;
mod layout;
mod leftovers;
mod legacy_key_value;
mod once;
mod order;
mod packages;
mod pipes;
mod pragmas;
mod scope;
mod secrets;
mod sh;
mod stage_names;
mod stage_use;
mod startup;
mod taken;
mod text;
mod tools;
mod users;
mod variables;
mod workdir;

use std::sync::LazyLock;

use crate::rule::Rule;

/// All rules, sorted by name.
pub static RULES: LazyLock<Vec<&'static Rule>> = LazyLock::new(|| {
    let groups: &[&'static [Rule]] = &[
        base_names::RULES,
        add_copy::RULES,
        bases::RULES,
        build_tools::RULES,
        cache_order::RULES,
        casing::RULES,
        consecutive_runs::RULES,
        context::RULES,
        copied::RULES,
        copies::RULES,
        copy::RULES,
        expose::RULES,
        from_args::RULES,
        labels::RULES,
        json_form::RULES,
        later_layers::RULES,
        layout::RULES,
        leftovers::APK,
        leftovers::APT,
        leftovers::ARCHIVE,
        leftovers::CLEANERS,
        leftovers::TOOLS,
        legacy_key_value::RULES,
        once::RULES,
        order::RULES,
        packages::apt::RULES,
        packages::pins::RULES,
        packages::pip::RULES,
        packages::ruby::RULES,
        packages::unattended::RULES,
        packages::upgrades::RULES,
        pipes::RULES,
        pragmas::RULES,
        secrets::RULES,
        sh::assignments::RULES,
        sh::bash_commands::RULES,
        sh::bash_syntax::RULES,
        sh::commands::RULES,
        sh::files::RULES,
        sh::quoting::RULES,
        sh::splitting::RULES,
        sh::style::RULES,
        sh::syntax::RULES,
        sh::variables::RULES,
        stage_names::RULES,
        startup::RULES,
        tools::RULES,
        users::RULES,
        variables::RULES,
        workdir::RULES,
    ];
    let mut all: Vec<&Rule> = groups.iter().copied().flatten().collect();
    all.sort_by_key(|r| r.id);
    all
});

/// The rule that goes by a name: its own, hadolint's or BuildKit's.
pub fn rule(name: &str) -> Option<&'static Rule> {
    RULES.iter().copied().find(|r| r.is_called(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kebab_case_and_each_means_one_rule() {
        let mut names: Vec<String> = Vec::new();
        for rule in RULES.iter() {
            let kebab = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(rule.id.chars().all(kebab), "{}", rule.id);
            assert!(!rule.summary.is_empty(), "{}", rule.id);
            names.push(rule.id.to_owned());
            let aliases = rule.hadolint.iter().chain(rule.buildkit);
            names.extend(aliases.map(|a| a.to_ascii_lowercase()));
        }
        names.sort();
        let twice: Vec<_> = names.windows(2).filter(|w| w[0] == w[1]).collect();
        assert!(twice.is_empty(), "{twice:?}");
    }
}
