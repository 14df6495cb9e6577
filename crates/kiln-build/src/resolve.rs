//! From the parsed Dockerfile to the [`Plan`]: stages, bases, arguments.

use std::collections::{BTreeMap, BTreeSet};

use kiln_dockerfile::{
    Dockerfile, Env, Instruction, Kind, Span, expand_word, mount_from, parse_instruction,
};
use kiln_oci::{ImageConfig, Platform};

use crate::base::Bases;
use crate::error::BuildError;
use crate::instruction::StageBuilder;
use crate::mounts::NAMESPACE_ARG;
use crate::options::BuildOptions;
use crate::plan::{Base, CopyFrom, Line, Plan, Scope, StagePlan};

/// The PATH of an image that sets none (runc's and docker's default).
pub const DEFAULT_PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Arguments every build knows without declaring them, for proxies; they are no part of a key.
pub const PROXY_ARGS: [&str; 10] = [
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "FTP_PROXY",
    "ftp_proxy",
    "NO_PROXY",
    "no_proxy",
    "ALL_PROXY",
    "all_proxy",
];

/// Arguments that are meant for the builder, not for the Dockerfile.
const UNDECLARED: [&str; 2] = ["SOURCE_DATE_EPOCH", NAMESPACE_ARG];

/// What the stages share while they are planned.
pub struct Globals<'a> {
    /// The caller's wishes.
    pub options: &'a BuildOptions,
    /// Where base images come from.
    pub bases: Bases<'a>,
    /// ARGs before the first FROM, and the platform arguments.
    pub args: BTreeMap<String, String>,
    /// The platform arguments alone.
    pub platform_args: BTreeMap<String, String>,
    /// The escape character.
    pub escape: char,
    /// Names of build arguments that some ARG took up.
    pub consumed: BTreeSet<String>,
}

impl Env for Globals<'_> {
    fn get(&self, name: &str) -> Option<String> {
        self.args.get(name).cloned()
    }
}

/// Makes the plan.
pub fn plan(
    file: &Dockerfile,
    options: &BuildOptions,
    bases: Bases<'_>,
) -> Result<Plan, BuildError> {
    let name = &options.dockerfile_name;
    let platform_args = platform_args(&options.platform);
    let mut globals = Globals {
        options,
        bases,
        args: platform_args.clone(),
        platform_args,
        escape: file.directives.escape,
        consumed: BTreeSet::new(),
    };
    let mut rest = file.instructions.as_slice();
    while let [first, tail @ ..] = rest {
        let Kind::Arg(decls) = &first.kind else { break };
        for decl in decls {
            globals.declare(decl).map_err(|e| e.at(name, first.span))?;
        }
        rest = tail;
    }
    let args = &file.instructions[..file.instructions.len() - rest.len()];
    let groups = split_stages(rest).map_err(|(m, span)| BuildError::invalid(m).at(name, span))?;
    let mut names: Vec<Option<String>> = Vec::new();
    for group in &groups {
        let Kind::From { name: stage, .. } = &group[0].kind else {
            continue;
        };
        names.push(stage.as_ref().map(|s| s.to_ascii_lowercase()));
    }
    let target = find_target(&names, options)?;
    let mut needed = reachable(&groups, &names, target, &globals);

    let mut stages: Vec<StagePlan> = Vec::new();
    loop {
        for (index, group) in groups.iter().enumerate() {
            let stage = plan_stage(&mut globals, &names, &stages, index, group, needed[index])?;
            stages.push(stage);
        }
        // Triggers of a base image may name stages that nothing else needs.
        let named = stages.iter().flat_map(StagePlan::read_from);
        let Some(missing) = named.into_iter().find(|i| !needed[*i]) else {
            break;
        };
        let more = reachable(&groups, &names, missing, &globals);
        needed.iter_mut().zip(more).for_each(|(n, m)| *n |= m);
        stages.clear();
    }
    let unused: Vec<&str> = options
        .build_args
        .keys()
        .filter(|k| !globals.consumed.contains(*k) && !PROXY_ARGS.contains(&k.as_str()))
        .filter(|k| !globals.platform_args.contains_key(*k) && !UNDECLARED.contains(&k.as_str()))
        .map(String::as_str)
        .collect();
    let mut warnings = Vec::new();
    if !unused.is_empty() {
        warnings.push(format!(
            "[Warning] One or more build-args [{}] were not consumed",
            unused.join(" ")
        ));
    }
    Ok(Plan {
        stages,
        target,
        needed,
        warnings,
        args: args.iter().map(|i| i.text.clone()).collect(),
    })
}

impl Globals<'_> {
    fn declare(&mut self, decl: &kiln_dockerfile::ArgDecl) -> Result<(), BuildError> {
        let given = self.options.build_args.get(&decl.key);
        let value = match (given, &decl.value) {
            (Some(v), _) => Some(v.clone()),
            (None, Some(word)) => Some(expand_word(word, self.escape, self)?),
            (None, None) => self.args.get(&decl.key).cloned(),
        };
        self.consumed.insert(decl.key.clone());
        match value {
            Some(v) => self.args.insert(decl.key.clone(), v),
            None => self.args.remove(&decl.key),
        };
        Ok(())
    }
}

fn platform_args(platform: &Platform) -> BTreeMap<String, String> {
    let mut args = BTreeMap::new();
    for (prefix, p) in [("TARGET", platform), ("BUILD", &Platform::host())] {
        args.insert(format!("{prefix}PLATFORM"), p.to_string());
        args.insert(format!("{prefix}OS"), p.os.clone());
        args.insert(format!("{prefix}ARCH"), p.architecture.clone());
        args.insert(
            format!("{prefix}VARIANT"),
            p.variant.clone().unwrap_or_default(),
        );
    }
    args
}

/// Groups of instructions, each beginning with its FROM.
fn split_stages(all: &[Instruction]) -> Result<Vec<&[Instruction]>, (String, Span)> {
    let starts: Vec<usize> = all
        .iter()
        .enumerate()
        .filter(|(_, i)| matches!(i.kind, Kind::From { .. }))
        .map(|(n, _)| n)
        .collect();
    match (starts.first(), all.first()) {
        (Some(0), _) => {}
        (_, Some(first)) => {
            return Err((
                format!(
                    "no build stage in current context: the first instruction must be FROM, not {}",
                    first.keyword
                ),
                first.span,
            ));
        }
        _ => return Err(("the Dockerfile has no FROM".into(), Span::default())),
    }
    let mut ends = starts[1..].to_vec();
    ends.push(all.len());
    Ok(starts
        .iter()
        .zip(ends)
        .map(|(&start, end)| &all[start..end])
        .collect())
}

fn find_target(names: &[Option<String>], options: &BuildOptions) -> Result<usize, BuildError> {
    let Some(target) = &options.target else {
        return Ok(names.len() - 1);
    };
    if let Some(i) = find_stage(names, target, names.len()) {
        return Ok(i);
    }
    let known: Vec<&str> = names.iter().flatten().map(String::as_str).collect();
    let error = BuildError::invalid(format!(
        "target stage {target:?} could not be found in {}",
        options.dockerfile_name
    ));
    Err(if known.is_empty() {
        error
    } else {
        error.hint(format!("its stages are: {}", known.join(", ")))
    })
}

/// The stage of that name or number among the first `before`; the latest of several.
pub fn find_stage(names: &[Option<String>], wanted: &str, before: usize) -> Option<usize> {
    let lower = wanted.to_ascii_lowercase();
    names[..before]
        .iter()
        .rposition(|n| n.as_deref() == Some(&lower))
        .or_else(|| wanted.parse().ok().filter(|i| *i < before))
}

/// Which stages the target needs, by FROM and by `--from`.
fn reachable(
    groups: &[&[Instruction]],
    names: &[Option<String>],
    target: usize,
    globals: &Globals,
) -> Vec<bool> {
    let mut needed = vec![false; groups.len()];
    let mut todo = vec![target];
    while let Some(i) = todo.pop() {
        if std::mem::replace(&mut needed[i], true) {
            continue;
        }
        for instruction in groups[i] {
            for word in &stage_words(instruction, globals.escape) {
                // A word with a stage's own variables can't be known yet: then it may be any stage.
                match expand_word(word, globals.escape, globals) {
                    Ok(w) if !w.is_empty() && !word.contains('$') => {
                        todo.extend(find_stage(names, &w, i));
                    }
                    Ok(w) if matches!(instruction.kind, Kind::From { .. }) => {
                        todo.extend(find_stage(names, &w, i));
                    }
                    _ => todo.extend(0..i),
                }
            }
        }
    }
    needed
}

fn stage_words(instruction: &Instruction, escape: char) -> Vec<String> {
    match &instruction.kind {
        Kind::From { image, .. } => vec![image.clone()],
        Kind::Run { flags, .. } => flags
            .iter()
            .filter(|f| f.name == "mount")
            .filter_map(|f| mount_from(f, escape))
            .collect(),
        Kind::Copy(c) | Kind::Add(c) => c
            .flags
            .iter()
            .filter(|f| f.name == "from")
            .filter_map(|f| f.value.clone())
            .collect(),
        Kind::OnBuild(inner) => stage_words(inner, escape),
        _ => Vec::new(),
    }
}

fn plan_stage(
    globals: &mut Globals,
    names: &[Option<String>],
    done: &[StagePlan],
    index: usize,
    group: &[Instruction],
    needed: bool,
) -> Result<StagePlan, BuildError> {
    let options = globals.options;
    let file = &options.dockerfile_name;
    let from = &group[0];
    let Kind::From {
        image, platform, ..
    } = &from.kind
    else {
        return Err(BuildError::new("a stage begins with FROM").at(file, from.span));
    };
    let stage_name = names[index]
        .clone()
        .unwrap_or_else(|| format!("stage-{index}"));
    let no_cache = options.no_cache
        || options.no_cache_filter.iter().any(|f| {
            f.split(',')
                .any(|f| f.eq_ignore_ascii_case(&stage_name) || f == index.to_string())
        });
    if !needed {
        // Not built, so its base need not exist; later stages may still not refer to it.
        return Ok(StagePlan {
            name: stage_name,
            shown_name: true,
            base: Base::Scratch,
            steps: Vec::new(),
            lines: Vec::new(),
            image: ImageConfig::default(),
            scope: Scope::default(),
            no_cache,
        });
    }
    let located = |e: BuildError| e.at(file, from.span);
    let word = expand_word(image, globals.escape, globals).map_err(|e| located(e.into()))?;
    if word.is_empty() {
        return Err(located(
            BuildError::new(format!("base name ({image}) should not be blank"))
                .hint("give the ARG a default before the first FROM, or pass --build-arg"),
        ));
    }
    let platform = match platform {
        Some(p) => {
            let text = expand_word(p, globals.escape, globals).map_err(|e| located(e.into()))?;
            text.parse::<Platform>()
                .map_err(|e| located(BuildError::new(e.to_string())))?
        }
        None => options.platform.clone(),
    };
    let mut inherited = None;
    let (base, mut config) = if word == "scratch" {
        (Base::Scratch, scratch_config(&platform))
    } else if let Some(i) = find_stage(names, &word, index) {
        inherited = Some(done[i].scope.clone());
        (Base::Stage(i), done[i].image.clone())
    } else {
        let (id, config) = globals
            .bases
            .find(&word, &platform, names)
            .map_err(located)?;
        let layers = config.rootfs.diff_ids.clone();
        let base = Base::Image {
            name: word.clone(),
            id,
            layers,
        };
        (base, config)
    };
    let env = &mut config.config.env;
    if !env.iter().any(|e| e.starts_with("PATH=")) {
        env.insert(0, DEFAULT_PATH.to_owned());
    }
    let scope = inherited.unwrap_or_else(|| Scope::of_env(&config.config.env));
    let triggers = std::mem::take(&mut config.config.on_build);
    let mut builder = StageBuilder::new(globals, names, index, config, scope);
    for trigger in &triggers {
        let inner = parse_instruction(trigger, '\\')
            .map_err(|e| located(BuildError::new(format!("ONBUILD trigger {trigger:?}: {e}"))))?;
        builder.instruction(&inner, from.span).map_err(located)?;
    }
    let mut lines = vec![Line {
        text: from.text.clone(),
        steps: 0..builder.steps(),
    }];
    for instruction in &group[1..] {
        builder
            .instruction(instruction, instruction.span)
            .map_err(|e| e.at(file, instruction.span))?;
        let before = lines.last().map_or(0, |l| l.steps.end);
        lines.push(Line {
            text: instruction.text.clone(),
            steps: before..builder.steps(),
        });
    }
    let (steps, image, scope) = builder.finish();
    let mut stage = StagePlan {
        name: stage_name,
        shown_name: names.len() > 1,
        base,
        steps,
        lines,
        image,
        scope,
        no_cache,
    };
    stage.number();
    Ok(stage)
}

fn scratch_config(platform: &Platform) -> ImageConfig {
    let mut config = ImageConfig {
        architecture: platform.architecture.clone(),
        os: platform.os.clone(),
        variant: platform.variant.clone(),
        ..ImageConfig::default()
    };
    config.config.working_dir = "/".to_owned();
    config
}

/// What `--from=WORD` names.
pub fn copy_from(
    globals: &mut Globals,
    names: &[Option<String>],
    index: usize,
    word: &str,
) -> Result<CopyFrom, BuildError> {
    if word.parse::<usize>() == Ok(index)
        || names[index].as_deref() == Some(&word.to_ascii_lowercase())
    {
        return Err(BuildError::new(format!(
            "circular dependency: --from={word} names the stage it stands in"
        )));
    }
    if let Some(i) = find_stage(names, word, index) {
        return Ok(CopyFrom::Stage(i));
    }
    if word.parse::<usize>().is_ok() || find_stage(names, word, names.len()).is_some() {
        return Err(BuildError::new(format!(
            "--from={word}: stage {word:?} comes later in the Dockerfile"
        ))
        .hint("a stage can only copy from stages before it"));
    }
    let (_, config) = globals.bases.find(word, &globals.options.platform, names)?;
    Ok(CopyFrom::Image {
        name: word.to_owned(),
        layers: config.rootfs.diff_ids,
    })
}
