//! `--change` of `import` and `commit`: instructions applied to a config.

use std::collections::{BTreeMap, BTreeSet};

use kiln_dockerfile::{Kind, parse_instruction};
use kiln_oci::{ImageConfig, Platform, Reference};
use kiln_runtime::Network;
use kiln_store::Store;

use crate::base::{Bases, Fetch};
use crate::error::BuildError;
use crate::instruction::StageBuilder;
use crate::options::BuildOptions;
use crate::plan::Scope;
use crate::resolve::Globals;

/// What can be changed (docker's list).
const ALLOWED: &str =
    "CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME, WORKDIR";

struct NoFetch;

impl Fetch for NoFetch {
    fn fetch(&self, name: &Reference, _: &Platform) -> Result<(), BuildError> {
        Err(BuildError::new(format!("{name}: not allowed here")))
    }
}

/// Applies the instructions in order.
pub fn apply_changes(
    store: &Store,
    config: ImageConfig,
    changes: &[String],
) -> Result<ImageConfig, BuildError> {
    let options = BuildOptions {
        dockerfile_name: "--change".to_owned(),
        dockerfile: Vec::new(),
        project: String::new(),
        target: None,
        build_args: BTreeMap::new(),
        tags: Vec::new(),
        labels: BTreeMap::new(),
        pull: false,
        no_cache: false,
        no_cache_filter: Vec::new(),
        platform: Platform::host(),
        network: Network::Host,
        add_hosts: Vec::new(),
        secrets: BTreeMap::new(),
        agents: BTreeMap::new(),
        source_date_epoch: None,
    };
    let mut globals = Globals {
        options: &options,
        bases: Bases::new(store, &NoFetch, false),
        args: BTreeMap::new(),
        platform_args: BTreeMap::new(),
        escape: '\\',
        consumed: BTreeSet::new(),
    };
    let args_escaped = config.config.args_escaped;
    let scope = Scope::of_env(&config.config.env);
    let names = [None];
    let mut builder = StageBuilder::new(&mut globals, &names, 0, config, scope);
    for change in changes {
        let bad = |e: &dyn std::fmt::Display| BuildError::new(format!("--change {change:?}: {e}"));
        let instruction = parse_instruction(change, '\\').map_err(|e| bad(&e))?;
        let allowed = matches!(
            instruction.kind,
            Kind::Cmd(_)
                | Kind::Entrypoint(_)
                | Kind::Env(_)
                | Kind::Expose(_)
                | Kind::Healthcheck(_)
                | Kind::Label(_)
                | Kind::OnBuild(_)
                | Kind::StopSignal(_)
                | Kind::User(_)
                | Kind::Volume(_)
                | Kind::Workdir(_)
        );
        if !allowed {
            let keyword = &instruction.keyword;
            return Err(bad(&format!("{keyword} is not a valid change command"))
                .hint(format!("it takes {ALLOWED}")));
        }
        builder
            .instruction(&instruction, instruction.span)
            .map_err(|e| bad(&e.message))?;
    }
    let (_, mut config, _) = builder.finish();
    // Builds set it, changes don't.
    config.config.args_escaped = args_escaped;
    Ok(config)
}
