//! One instruction at a time: what it does to the config, and the step it makes.

use kiln_dockerfile::{
    Command, CopyArgs, CopySource, Env, Flag, Healthcheck, Heredoc, Instruction, Kind, Mount, Span,
    expand_heredoc, expand_word, expand_words,
};
use kiln_oci::ImageConfig;
use kiln_runtime::Network;

use crate::duration::parse_go_duration;
use crate::error::BuildError;
use crate::explain::variables;
use crate::mounts::{MountOp, plan_mount};
use crate::plan::{CopyFrom, CopyOp, Op, RunOp, Scope, Source, Step, WorkdirOp};
use crate::ports::exposed_ports;
use crate::resolve::{Globals, PROXY_ARGS, copy_from};

/// Plans the instructions of one stage.
pub struct StageBuilder<'g, 'a> {
    globals: &'g mut Globals<'a>,
    names: &'g [Option<String>],
    index: usize,
    image: ImageConfig,
    scope: Scope,
    steps: Vec<Step>,
    cmd_set: bool,
    /// The variables of the image that the stage starts from.
    base_env: Vec<String>,
}

impl<'g, 'a> StageBuilder<'g, 'a> {
    /// Starts from the base's config and variables.
    pub fn new(
        globals: &'g mut Globals<'a>,
        names: &'g [Option<String>],
        index: usize,
        image: ImageConfig,
        scope: Scope,
    ) -> Self {
        StageBuilder {
            globals,
            names,
            index,
            base_env: image.config.env.clone(),
            image,
            scope,
            steps: Vec::new(),
            cmd_set: false,
        }
    }

    /// The steps, the config and the variables they leave.
    pub fn finish(self) -> (Vec<Step>, ImageConfig, Scope) {
        (self.steps, self.image, self.scope)
    }

    /// How many steps there are so far.
    pub fn steps(&self) -> usize {
        self.steps.len()
    }

    fn expand(&self, word: &str) -> Result<String, BuildError> {
        Ok(expand_word(word, self.globals.escape, &self.scope)?)
    }

    fn expand_all(&self, words: &[String]) -> Result<Vec<String>, BuildError> {
        let mut out = Vec::new();
        for w in words {
            out.extend(expand_words(w, self.globals.escape, &self.scope)?);
        }
        Ok(out)
    }

    fn step(&mut self, text: String, created_by: String, span: Span, op: Op) {
        let env = &self.image.config.env;
        let variables = variables(&op, &text, &self.scope, env, &self.base_env);
        self.steps.push(Step {
            source: text.clone(),
            text,
            created_by,
            span,
            op,
            variables,
        });
    }

    fn with_shell(&self, command: &Command) -> Vec<String> {
        match command {
            Command::Exec(argv) => argv.clone(),
            Command::Shell(line) => {
                let mut argv = self.shell();
                argv.push(line.clone());
                argv
            }
        }
    }

    fn shell(&self) -> Vec<String> {
        if self.image.config.shell.is_empty() {
            vec!["/bin/sh".into(), "-c".into()]
        } else {
            self.image.config.shell.clone()
        }
    }

    /// Plans one instruction; `span` is where errors about it point.
    pub fn instruction(&mut self, i: &Instruction, span: Span) -> Result<(), BuildError> {
        let text = i.text.clone();
        let shown = match &i.kind {
            Kind::From { .. } => {
                return Err(BuildError::new("FROM isn't allowed here")
                    .at(&self.globals.options.dockerfile_name, span));
            }
            Kind::Arg(decls) => {
                let mut shown = String::from("ARG");
                for decl in decls {
                    shown.push_str(&format!(" {}", decl.key));
                    if let Some(word) = &decl.value {
                        shown.push_str(&format!("={}", self.expand(word)?));
                    }
                    self.arg(decl)?;
                }
                shown
            }
            Kind::Env(pairs) => {
                let mut out = Vec::new();
                for p in pairs {
                    out.push((self.expand(&p.key)?, self.expand(&p.value)?));
                }
                let shown: Vec<String> = out.iter().map(|(k, v)| format!("{k}={v}")).collect();
                for (k, v) in out {
                    set_env(&mut self.image.config.env, &k, &v);
                    self.scope.set(&k, v);
                }
                format!("ENV {}", shown.join(" "))
            }
            Kind::Label(pairs) => {
                let mut shown = Vec::new();
                for p in pairs {
                    let (k, v) = (self.expand(&p.key)?, self.expand(&p.value)?);
                    shown.push(format!("{k}={v}"));
                    self.image.config.labels.insert(k, v);
                }
                format!("LABEL {}", shown.join(" "))
            }
            Kind::Maintainer(name) => {
                let name = self.expand(name)?;
                self.image.author = Some(name.clone());
                format!("MAINTAINER {name}")
            }
            Kind::Run {
                command,
                flags,
                heredocs,
            } => return self.run(text, command, flags, heredocs, span),
            Kind::Copy(args) => return self.copy(false, text, args, span),
            Kind::Add(args) => return self.copy(true, text, args, span),
            Kind::Workdir(dir) => {
                let dir = self.expand(dir)?;
                if dir.is_empty() {
                    return Err(BuildError::new("WORKDIR needs a path, this one is empty"));
                }
                let dir = clean_join(&self.cwd(), &dir);
                self.image.config.working_dir = dir.clone();
                let shown = format!("WORKDIR {dir}");
                let user = self.image.config.user.clone();
                self.step(
                    text,
                    shown,
                    span,
                    Op::Workdir(WorkdirOp { path: dir, user }),
                );
                return Ok(());
            }
            Kind::User(user) => {
                let user = self.expand(user)?;
                self.image.config.user = user.clone();
                format!("USER {user}")
            }
            Kind::Volume(paths) => {
                let mut shown = Vec::new();
                for p in paths {
                    let p = self.expand(p)?;
                    if p.trim().is_empty() {
                        return Err(BuildError::new(
                            "VOLUME specified can not be an empty string",
                        ));
                    }
                    self.image
                        .config
                        .volumes
                        .insert(p.clone(), kiln_oci::Empty::default());
                    shown.push(p);
                }
                format!("VOLUME [{}]", shown.join(" "))
            }
            Kind::Expose(words) => {
                let mut shown = Vec::new();
                for word in self.expand_all(words)? {
                    for port in exposed_ports(&word)? {
                        shown.push(format!("{port}:{{}}"));
                        self.image
                            .config
                            .exposed_ports
                            .insert(port, kiln_oci::Empty::default());
                    }
                }
                format!("EXPOSE map[{}]", shown.join(" "))
            }
            Kind::Cmd(command) => {
                let argv = self.with_shell(command);
                let shown = format!("CMD {}", json(&argv));
                self.image.config.cmd = Some(argv);
                self.image.config.args_escaped = true;
                self.cmd_set = true;
                shown
            }
            Kind::Entrypoint(command) => {
                let argv = self.with_shell(command);
                let shown = format!("ENTRYPOINT {}", json(&argv));
                self.image.config.entrypoint = Some(argv);
                if !self.cmd_set {
                    self.image.config.cmd = None;
                }
                shown
            }
            Kind::Healthcheck(check) => {
                self.image.config.healthcheck =
                    Some(healthcheck(check, &self.globals.options.dockerfile_name)?);
                text.clone()
            }
            Kind::StopSignal(signal) => {
                let signal = self.expand(signal)?;
                check_signal(&signal)?;
                self.image.config.stop_signal = Some(signal.clone());
                format!("STOPSIGNAL {signal}")
            }
            Kind::Shell(argv) => {
                self.image.config.shell = argv.clone();
                format!("SHELL {}", json(argv))
            }
            Kind::OnBuild(inner) => {
                self.image.config.on_build.push(inner.text.clone());
                // Nothing happened yet: as with BuildKit the history is silent.
                return Ok(());
            }
        };
        self.step(text, shown, span, Op::Config);
        Ok(())
    }

    fn cwd(&self) -> String {
        if self.image.config.working_dir.is_empty() {
            "/".to_owned()
        } else {
            self.image.config.working_dir.clone()
        }
    }

    fn arg(&mut self, decl: &kiln_dockerfile::ArgDecl) -> Result<(), BuildError> {
        let key = &decl.key;
        self.globals.consumed.insert(key.clone());
        let given = self.globals.options.build_args.get(key).cloned();
        let value = match (given, &decl.value) {
            (Some(v), _) => Some(v),
            (None, Some(word)) => Some(self.expand(word)?),
            (None, None) => self.globals.get(key),
        };
        self.scope.declare(key, value);
        Ok(())
    }

    fn run(
        &mut self,
        text: String,
        command: &Command,
        flags: &[Flag],
        heredocs: &[Heredoc],
        span: Span,
    ) -> Result<(), BuildError> {
        let options = self.globals.options;
        let mut network = options.network;
        let mut mounts = Vec::new();
        for flag in flags {
            let value = flag.value.clone().unwrap_or_default();
            if flag.name == "mount" {
                mounts.push(self.mount(flag, &mounts)?);
                continue;
            }
            match (flag.name.as_str(), value.as_str()) {
                ("network", "default") => {}
                ("network", "none") => network = Network::None,
                ("network", "host") => network = Network::Host,
                ("security", "sandbox") => {}
                (name, value) => {
                    return Err(
                        BuildError::new(format!("RUN --{name}={value} is not supported"))
                            .at(&options.dockerfile_name, flag.span),
                    );
                }
            }
        }
        let mut script = None;
        let argv = match (command, heredocs) {
            (Command::Shell(line), [only]) if is_lone_heredoc(line) => {
                if only.content.starts_with("#!") {
                    script = Some(only.content.clone());
                    Vec::new()
                } else {
                    let mut argv = self.shell();
                    argv.push(only.content.clone());
                    argv
                }
            }
            (Command::Shell(line), docs) => {
                let mut full = line.clone();
                for d in docs {
                    full.push_str(&format!("\n{}{}", d.content, d.name));
                }
                let mut argv = self.shell();
                argv.push(full);
                argv
            }
            (Command::Exec(argv), _) => argv.clone(),
        };
        let mut created_by = format!("RUN {}", self.scope.shown_args());
        created_by.push_str(&match &script {
            Some(_) => text.trim_start_matches("RUN ").to_owned(),
            None => argv.join(" "),
        });
        let proxy_env = PROXY_ARGS
            .iter()
            .filter_map(|k| options.build_args.get(*k).map(|v| format!("{k}={v}")))
            .collect();
        let mut env = self.scope.env();
        let socket = mounts.iter().find(|m| matches!(m.mount, Mount::Ssh(_)));
        if let Some(path) = socket.and_then(MountOp::target)
            && self.scope.get("SSH_AUTH_SOCK").is_none()
        {
            env.push(format!("SSH_AUTH_SOCK={path}"));
        }
        let op = Op::Run(RunOp {
            argv,
            script,
            env,
            proxy_env,
            user: self.image.config.user.clone(),
            cwd: self.cwd(),
            network,
            hosts: options.add_hosts.clone(),
            mounts,
        });
        self.step(text, created_by, span, op);
        Ok(())
    }

    fn mount(&mut self, flag: &Flag, before: &[MountOp]) -> Result<MountOp, BuildError> {
        let cwd = self.cwd();
        let (globals, names, index) = (&mut *self.globals, self.names, self.index);
        let file = &globals.options.dockerfile_name;
        let shown = (globals.escape, &self.scope, cwd.as_str());
        let find = |word: &str| copy_from(globals, names, index, word);
        plan_mount(flag, before, shown, file, find).map_err(|e| e.at(file, flag.span))
    }

    fn copy(
        &mut self,
        add: bool,
        text: String,
        args: &CopyArgs,
        span: Span,
    ) -> Result<(), BuildError> {
        let file = self.globals.options.dockerfile_name.clone();
        let mut op = CopyOp {
            add,
            from: CopyFrom::Context,
            sources: Vec::new(),
            dest: String::new(),
            chown: None,
            chmod: None,
            checksum: None,
            keep_git_dir: false,
            parents: false,
            exclude: Vec::new(),
            unpack: None,
        };
        for flag in &args.flags {
            let value = match &flag.value {
                Some(v) => Some(self.expand(v)?),
                None => None,
            };
            self.copy_flag(&mut op, flag, value)
                .map_err(|e| e.at(&file, flag.span))?;
        }
        for source in &args.sources {
            op.sources.push(match source {
                CopySource::Path(p) => self.path_source(add, self.expand(p)?),
                CopySource::Heredoc(h) if h.expand => Source::Inline(
                    h.name.clone(),
                    expand_heredoc(&h.content, self.globals.escape, &self.scope)?,
                ),
                CopySource::Heredoc(h) => Source::Inline(h.name.clone(), h.content.clone()),
            });
        }
        let dest = self.expand(&args.dest)?;
        let directory =
            dest.is_empty() || dest.ends_with('/') || dest.ends_with("/.") || dest == ".";
        op.dest = clean_join(&self.cwd(), &dest);
        if directory && op.dest != "/" {
            op.dest.push('/');
        }
        if op.sources.len() > 1 && !op.dest.ends_with('/') {
            let name = if add { "ADD" } else { "COPY" };
            return Err(BuildError::new(format!(
                "When using {name} with more than one source file, the destination must be a directory and end with a /"
            )));
        }
        if op.checksum.is_some() && !matches!(op.sources.as_slice(), [Source::Url(_)]) {
            return Err(BuildError::new(
                "ADD --checksum can only be used with one http(s) source",
            ));
        }
        let shown: Vec<String> = op.sources.iter().map(Source::shown).collect();
        let name = if add { "ADD" } else { "COPY" };
        let created_by = format!("{name} {} {dest}", shown.join(" "));
        self.step(text, created_by, span, Op::Copy(op));
        Ok(())
    }

    fn copy_flag(
        &mut self,
        op: &mut CopyOp,
        flag: &Flag,
        value: Option<String>,
    ) -> Result<(), BuildError> {
        let text = value.clone().unwrap_or_default();
        match flag.name.as_str() {
            "from" => op.from = copy_from(self.globals, self.names, self.index, &text)?,
            "chown" => op.chown = Some(text),
            "chmod" => op.chmod = Some(parse_mode(&text)?),
            "checksum" => op.checksum = Some(text),
            "keep-git-dir" => op.keep_git_dir = boolean(flag, value.as_deref())?,
            "parents" => op.parents = boolean(flag, value.as_deref())?,
            "exclude" => op.exclude.push(text),
            "unpack" => op.unpack = Some(boolean(flag, value.as_deref())?),
            // The layer of a linked copy holds the same files; only symlinks on the way to the
            // destination would differ.
            "link" => {
                boolean(flag, value.as_deref())?;
            }
            other => {
                return Err(BuildError::new(format!("unknown flag: --{other}")));
            }
        }
        Ok(())
    }

    fn path_source(&self, add: bool, path: String) -> Source {
        if !add {
            return Source::Path(path);
        }
        let is_git = path.starts_with("git@")
            || path.starts_with("git://")
            || path.starts_with("ssh://")
            || (path.starts_with("http")
                && path.split('#').next().is_some_and(|p| p.ends_with(".git")));
        if is_git {
            Source::Git(path)
        } else if path.starts_with("http://") || path.starts_with("https://") {
            Source::Url(path)
        } else {
            Source::Path(path)
        }
    }
}

impl Source {
    /// As the history shows it.
    fn shown(&self) -> String {
        match self {
            Source::Path(p) | Source::Url(p) | Source::Git(p) => p.clone(),
            Source::Inline(name, _) => format!("<<{name}"),
        }
    }
}

fn is_lone_heredoc(line: &str) -> bool {
    let line = line.trim();
    line.starts_with("<<") && !line.contains(char::is_whitespace)
}

/// Sets a variable of a config, in place where it was set before.
fn set_env(env: &mut Vec<String>, key: &str, value: &str) {
    let entry = format!("{key}={value}");
    let known = |e: &&mut String| e.split_once('=').is_some_and(|(k, _)| k == key);
    match env.iter_mut().find(known) {
        Some(old) => *old = entry,
        None => env.push(entry),
    }
}

fn json(argv: &[String]) -> String {
    serde_json::to_string(argv).unwrap_or_default()
}

fn boolean(flag: &Flag, value: Option<&str>) -> Result<bool, BuildError> {
    match value {
        None | Some("true" | "1" | "t" | "T" | "TRUE" | "True") => Ok(true),
        Some("false" | "0" | "f" | "F" | "FALSE" | "False") => Ok(false),
        Some(other) => Err(BuildError::new(format!(
            "expecting boolean value for flag {}, not: {other}",
            flag.name
        ))),
    }
}

fn parse_mode(text: &str) -> Result<u32, BuildError> {
    u32::from_str_radix(text, 8)
        .ok()
        .filter(|m| *m <= 0o7777)
        .ok_or_else(|| {
            BuildError::new(format!("invalid chmod parameter: {text:?}"))
                .hint("give it as an octal number like 755")
        })
}

fn check_signal(signal: &str) -> Result<(), BuildError> {
    const NAMES: &str = " ABRT ALRM BUS CHLD CLD CONT FPE HUP ILL INT IO IOT KILL PIPE POLL PROF \
PWR QUIT SEGV STKFLT STOP SYS TERM TRAP TSTP TTIN TTOU URG USR1 USR2 VTALRM WINCH XCPU XFSZ ";
    let upper = signal.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let known = match name.parse::<u32>() {
        Ok(n) => (1..=64).contains(&n),
        Err(_) => NAMES.contains(&format!(" {name} ")) || name.starts_with("RTM"),
    };
    if known {
        Ok(())
    } else {
        Err(BuildError::new(format!("Invalid signal: {signal}")))
    }
}

/// An absolute path without `.`, `..` or doubled slashes.
pub fn clean_path(path: &str) -> String {
    clean_join("/", path)
}

/// Joins as Go's `path.Join` does, and cleans: no `.`, `..`, or doubled slashes remain.
pub fn clean_join(base: &str, path: &str) -> String {
    let whole = if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("{base}/{path}")
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in whole.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            other => parts.push(other),
        }
    }
    format!("/{}", parts.join("/"))
}

fn healthcheck(check: &Healthcheck, file: &str) -> Result<kiln_oci::Healthcheck, BuildError> {
    let mut out = kiln_oci::Healthcheck::default();
    match check {
        Healthcheck::None => out.test = vec!["NONE".into()],
        Healthcheck::Cmd { command, flags } => {
            out.test = match command {
                Command::Shell(line) => vec!["CMD-SHELL".into(), line.clone()],
                Command::Exec(argv) => {
                    let mut test = vec!["CMD".to_owned()];
                    test.extend(argv.iter().cloned());
                    test
                }
            };
            for flag in flags {
                health_flag(&mut out, flag).map_err(|e| e.at(file, flag.span))?;
            }
        }
    }
    Ok(out)
}

fn health_flag(out: &mut kiln_oci::Healthcheck, flag: &Flag) -> Result<(), BuildError> {
    let (name, value) = (&flag.name, flag.value.as_deref().unwrap_or_default());
    let slot = match name.as_str() {
        "interval" => &mut out.interval,
        "timeout" => &mut out.timeout,
        "start-period" => &mut out.start_period,
        "start-interval" => &mut out.start_interval,
        _ => {
            let retries: Result<u32, _> = value.parse();
            out.retries = retries
                .map_err(|_| BuildError::new(format!("--{name}={value}: not a number")))?
                .into();
            return Ok(());
        }
    };
    *slot = parse_go_duration(value).ok_or_else(|| {
        BuildError::new(format!("--{name}: invalid duration {value:?}"))
            .hint("durations look like 30s, 1m30s or 500ms")
    })?;
    if *slot != 0 && *slot < 1_000_000 {
        return Err(BuildError::new(format!(
            "--{name}={value} cannot be less than 1ms"
        )));
    }
    Ok(())
}
