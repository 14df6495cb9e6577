//! The command line of containers and volumes: docker's names and forms.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// What can be done with containers, with or without `container` before it.
#[derive(Subcommand)]
pub enum Verb {
    /// Make a container from an image and run it
    Run(Box<RunArgs>),
    /// Make a container from an image
    Create(Box<CreateArgs>),
    /// Start containers that don't run
    Start(StartArgs),
    /// Stop containers
    Stop(StopArgs),
    /// Stop containers and start them again
    Restart(StopArgs),
    /// Send containers a signal
    Kill(KillArgs),
    /// Remove containers
    Rm(RmArgs),
    /// Run one more process in a container
    Exec(ExecArgs),
    /// See and feed a running container
    Attach(AttachArgs),
    /// Show what a container wrote
    Logs(LogsArgs),
    /// Wait for the end of containers and print their exit codes
    Wait(NamesArgs),
    /// Show the processes of a container
    Top(TopArgs),
    /// Show what containers use
    Stats(StatsArgs),
    /// Copy files out of a container or into one
    Cp(CpArgs),
    /// Show what a container changed in its files
    Diff(NameArgs),
    /// Give a container another name
    Rename(RenameArgs),
    /// Show the ports of a container
    Port(PortArgs),
    /// Stop all processes of containers for a while
    Pause(NamesArgs),
    /// Let the processes of containers go on
    Unpause(NamesArgs),
    /// Make an image of what a container changed
    Commit(CommitArgs),
    /// List containers
    #[command(visible_aliases = ["ls", "list"])]
    Ps(PsArgs),
}

/// What only exists with `container` before it.
#[derive(Subcommand)]
pub enum ContainerCommand {
    #[command(flatten)]
    Verb(Verb),
    /// Show all there is to know of containers, as JSON
    Inspect(InspectContainerArgs),
    /// Remove all containers that don't run
    Prune(PruneContainersArgs),
    /// Write the files of a container to a tar archive
    Export(crate::args::ExportArgs),
}

#[derive(Args)]
pub struct CreateArgs {
    /// Set an environment variable; without a value it is taken from the environment
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    pub env: Vec<String>,
    /// A file of environment variables
    #[arg(long, value_name = "FILE")]
    pub env_file: Vec<PathBuf>,
    /// Keep standard input open
    #[arg(short, long)]
    pub interactive: bool,
    /// Give it a terminal
    #[arg(short, long)]
    pub tty: bool,
    /// Remove it when it ends
    #[arg(long)]
    pub rm: bool,
    /// Its name
    #[arg(long)]
    pub name: Option<String>,
    /// Its working directory
    #[arg(short, long, value_name = "DIR")]
    pub workdir: Option<String>,
    /// The user it runs as (NAME|ID[:GROUP])
    #[arg(short, long)]
    pub user: Option<String>,
    /// Mount a directory of the host or a volume ([SOURCE:]TARGET[:ro])
    #[arg(short, long)]
    pub volume: Vec<String>,
    /// Mount something (type=bind|volume|tmpfs,source=…,target=…[,readonly])
    #[arg(long, value_name = "SPEC")]
    pub mount: Vec<String>,
    /// Mount a file system in memory (TARGET[:OPTIONS])
    #[arg(long, value_name = "TARGET")]
    pub tmpfs: Vec<String>,
    /// Its network: default, host or none
    #[arg(long, visible_alias = "net", default_value = "default")]
    pub network: String,
    /// Publish a port ([[IP:]HOST:]CONTAINER[/PROTOCOL])
    #[arg(short, long)]
    pub publish: Vec<String>,
    /// Note a port that it listens on
    #[arg(long, value_name = "PORT")]
    pub expose: Vec<String>,
    /// The program to run instead of the image's entry point
    #[arg(long)]
    pub entrypoint: Option<String>,
    /// Its root file system can't be written
    #[arg(long)]
    pub read_only: bool,
    /// Give it a capability
    #[arg(long, value_name = "CAPABILITY")]
    pub cap_add: Vec<String>,
    /// Take a capability from it
    #[arg(long, value_name = "CAPABILITY")]
    pub cap_drop: Vec<String>,
    /// The most memory it may use (512m, 2g)
    #[arg(short, long, value_name = "BYTES")]
    pub memory: Option<String>,
    /// How many processors it may use
    #[arg(long, value_name = "N")]
    pub cpus: Option<String>,
    /// How many processes it may have; -1 for no limit
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub pids_limit: Option<i64>,
    /// A first process that passes signals on and takes care of orphans
    #[arg(long)]
    pub init: bool,
    /// When to bring the image in: missing, always or never
    #[arg(long, default_value = "missing")]
    pub pull: String,
    /// The platform of the image
    #[arg(long, value_name = "OS/ARCH")]
    pub platform: Option<String>,
    /// Its host name
    #[arg(long)]
    pub hostname: Option<String>,
    /// A line for its /etc/hosts (HOST:IP)
    #[arg(long, value_name = "HOST:IP")]
    pub add_host: Vec<String>,
    /// A label
    #[arg(short, long, value_name = "KEY[=VALUE]")]
    pub label: Vec<String>,
    /// The signal that asks it to stop
    #[arg(long, value_name = "SIGNAL")]
    pub stop_signal: Option<String>,
    /// Seconds it may take to stop
    #[arg(long, value_name = "SECONDS")]
    pub stop_timeout: Option<u64>,
    /// Not supported: containers never get all of the host's rights
    #[arg(long, hide = true)]
    pub privileged: bool,
    /// Write its id to a file
    #[arg(long, value_name = "FILE")]
    pub cidfile: Option<PathBuf>,
    /// Check its health with this command
    #[arg(long, value_name = "COMMAND")]
    pub health_cmd: Option<String>,
    /// Time between checks (30s)
    #[arg(long, value_name = "TIME")]
    pub health_interval: Option<String>,
    /// Time that a check may take (30s)
    #[arg(long, value_name = "TIME")]
    pub health_timeout: Option<String>,
    /// Time at the start in which failures don't count
    #[arg(long, value_name = "TIME")]
    pub health_start_period: Option<String>,
    /// Failures in a row that make it unhealthy (3)
    #[arg(long, value_name = "N")]
    pub health_retries: Option<u32>,
    /// Don't check its health
    #[arg(long)]
    pub no_healthcheck: bool,
    /// What to attach to: stdin, stdout, stderr
    #[arg(short, long, value_name = "STREAM")]
    pub attach: Vec<String>,
    /// The image, the command and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_names = ["IMAGE", "COMMAND"])]
    pub image: Vec<String>,
}

#[derive(Args)]
pub struct RunArgs {
    /// Let it run on its own and print its id
    #[arg(short, long)]
    pub detach: bool,
    /// Pass signals on to it
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true", action = clap::ArgAction::Set)]
    pub sig_proxy: bool,
    /// Don't say that an image is brought in
    #[arg(short, long)]
    pub quiet: bool,
    #[command(flatten)]
    pub create: CreateArgs,
}

#[derive(Args)]
pub struct StartArgs {
    /// Attach to its output and pass signals on to it
    #[arg(short, long)]
    pub attach: bool,
    /// Attach to its input
    #[arg(short, long)]
    pub interactive: bool,
    /// The containers
    #[arg(required = true)]
    pub containers: Vec<String>,
}

#[derive(Args)]
pub struct StopArgs {
    /// Seconds until it is killed; -1 for never
    #[arg(short, long, value_name = "SECONDS", allow_negative_numbers = true)]
    pub time: Option<i64>,
    /// The containers
    #[arg(required = true)]
    pub containers: Vec<String>,
}

#[derive(Args)]
pub struct KillArgs {
    /// The signal
    #[arg(short, long, default_value = "KILL")]
    pub signal: String,
    /// The containers
    #[arg(required = true)]
    pub containers: Vec<String>,
}

#[derive(Args)]
pub struct RmArgs {
    /// Also those that run: they are killed
    #[arg(short, long)]
    pub force: bool,
    /// Also the volumes that were made for them
    #[arg(short, long)]
    pub volumes: bool,
    /// The containers
    #[arg(required = true)]
    pub containers: Vec<String>,
}

#[derive(Args)]
pub struct ExecArgs {
    /// Keep standard input open
    #[arg(short, long)]
    pub interactive: bool,
    /// Give it a terminal
    #[arg(short, long)]
    pub tty: bool,
    /// Let it run on its own
    #[arg(short, long)]
    pub detach: bool,
    /// Set an environment variable
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    pub env: Vec<String>,
    /// A file of environment variables
    #[arg(long, value_name = "FILE")]
    pub env_file: Vec<PathBuf>,
    /// The user it runs as (NAME|ID[:GROUP])
    #[arg(short, long)]
    pub user: Option<String>,
    /// Its working directory
    #[arg(short, long, value_name = "DIR")]
    pub workdir: Option<String>,
    /// Not supported: containers never get all of the host's rights
    #[arg(long, hide = true)]
    pub privileged: bool,
    /// The container, the command and its arguments
    #[arg(required = true, num_args = 2.., trailing_var_arg = true, allow_hyphen_values = true, value_names = ["CONTAINER", "COMMAND"])]
    pub command: Vec<String>,
}

#[derive(Args)]
pub struct AttachArgs {
    /// Don't attach to its input
    #[arg(long)]
    pub no_stdin: bool,
    /// Pass signals on to it
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true", action = clap::ArgAction::Set)]
    pub sig_proxy: bool,
    /// The container
    pub container: String,
}

#[derive(Args)]
pub struct LogsArgs {
    /// Go on while it writes
    #[arg(short, long)]
    pub follow: bool,
    /// Only so many lines at the end
    #[arg(short = 'n', long, default_value = "all")]
    pub tail: String,
    /// Only what it wrote since then (a time, or how long ago: 10m)
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Only what it wrote until then
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// Show when it was written
    #[arg(short, long)]
    pub timestamps: bool,
    /// The container
    pub container: String,
}

#[derive(Args)]
pub struct NamesArgs {
    /// The containers
    #[arg(required = true)]
    pub containers: Vec<String>,
}

#[derive(Args)]
pub struct NameArgs {
    /// The container
    pub container: String,
}

#[derive(Args)]
pub struct TopArgs {
    /// The container, and options for ps
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_names = ["CONTAINER", "OPTIONS"])]
    pub container: Vec<String>,
}

#[derive(Args)]
pub struct StatsArgs {
    /// Also containers that don't run
    #[arg(short, long)]
    pub all: bool,
    /// Once, rather than again and again
    #[arg(long)]
    pub no_stream: bool,
    /// Whole ids
    #[arg(long)]
    pub no_trunc: bool,
    /// A Go template, `json`, or `table TEMPLATE`
    #[arg(long)]
    pub format: Option<String>,
    /// The containers; all when absent
    pub containers: Vec<String>,
}

#[derive(Args)]
pub struct CpArgs {
    /// Keep owners and groups
    #[arg(short, long)]
    pub archive: bool,
    /// Follow a link that the source is
    #[arg(short = 'L', long)]
    pub follow_link: bool,
    /// Say nothing (nothing is said anyway)
    #[arg(short, long)]
    pub quiet: bool,
    /// CONTAINER:PATH, a path, or - for a tar on standard input
    pub source: String,
    /// CONTAINER:PATH, a path, or - for a tar on standard output
    pub dest: String,
}

#[derive(Args)]
pub struct RenameArgs {
    /// The container
    pub container: String,
    /// Its new name
    pub name: String,
}

#[derive(Args)]
pub struct PortArgs {
    /// The container
    pub container: String,
    /// Only this port (PORT[/PROTOCOL])
    pub port: Option<String>,
}

#[derive(Args)]
pub struct CommitArgs {
    /// Who made the image
    #[arg(short, long)]
    pub author: Option<String>,
    /// A remark for the history
    #[arg(short, long)]
    pub message: Option<String>,
    /// An instruction to apply to the image, like CMD or ENV
    #[arg(short, long, value_name = "INSTRUCTION")]
    pub change: Vec<String>,
    /// Keep the container still while its files are copied
    #[arg(short, long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true", action = clap::ArgAction::Set)]
    pub pause: bool,
    /// Don't warn that the image can't be rebuilt
    #[arg(short, long)]
    pub quiet: bool,
    /// The container
    pub container: String,
    /// The image's name
    pub name: Option<String>,
}

#[derive(Args)]
pub struct PsArgs {
    /// Also those that don't run
    #[arg(short, long)]
    pub all: bool,
    /// Only ids
    #[arg(short, long)]
    pub quiet: bool,
    /// Only the one that was made last
    #[arg(short, long)]
    pub latest: bool,
    /// Only so many that were made last
    #[arg(
        short = 'n',
        long,
        value_name = "N",
        default_value = "-1",
        allow_negative_numbers = true
    )]
    pub last: i64,
    /// How much they hold
    #[arg(short, long)]
    pub size: bool,
    /// Whole ids and commands
    #[arg(long)]
    pub no_trunc: bool,
    /// Only those that pass: ancestor=, before=, exited=, health=, id=, label=, name=, since=, status=, volume=
    #[arg(short, long, value_name = "FILTER")]
    pub filter: Vec<String>,
    /// A Go template, `json`, or `table TEMPLATE`
    #[arg(long)]
    pub format: Option<String>,
}

#[derive(Args)]
pub struct InspectContainerArgs {
    /// A Go template or `json`
    #[arg(short, long)]
    pub format: Option<String>,
    /// How much they hold
    #[arg(short, long)]
    pub size: bool,
    /// The containers
    #[arg(required = true)]
    pub containers: Vec<String>,
}

#[derive(Args)]
pub struct PruneContainersArgs {
    /// Don't ask
    #[arg(short, long)]
    pub force: bool,
    /// Only those that pass: label=KEY[=VALUE], until=TIME
    #[arg(long, value_name = "FILTER")]
    pub filter: Vec<String>,
}

/// What can be done with volumes.
#[derive(Subcommand)]
pub enum VolumeCommand {
    /// Make a volume
    Create(VolumeCreateArgs),
    /// List volumes
    #[command(visible_alias = "list")]
    Ls(VolumeLsArgs),
    /// Show all there is to know of volumes, as JSON
    Inspect(VolumeInspectArgs),
    /// Remove volumes
    #[command(visible_alias = "remove")]
    Rm(VolumeRmArgs),
    /// Remove the volumes that no container uses
    Prune(VolumePruneArgs),
}

#[derive(Args)]
pub struct VolumeCreateArgs {
    /// The driver: only local
    #[arg(short, long, default_value = "local")]
    pub driver: String,
    /// A label
    #[arg(long, value_name = "KEY[=VALUE]")]
    pub label: Vec<String>,
    /// Its name; one is made up when absent
    pub name: Option<String>,
}

#[derive(Args)]
pub struct VolumeLsArgs {
    /// Only names
    #[arg(short, long)]
    pub quiet: bool,
    /// Only those that pass: dangling=, label=, name=
    #[arg(short, long, value_name = "FILTER")]
    pub filter: Vec<String>,
    /// A Go template, `json`, or `table TEMPLATE`
    #[arg(long)]
    pub format: Option<String>,
}

#[derive(Args)]
pub struct VolumeInspectArgs {
    /// A Go template or `json`
    #[arg(short, long)]
    pub format: Option<String>,
    /// The volumes
    #[arg(required = true)]
    pub volumes: Vec<String>,
}

#[derive(Args)]
pub struct VolumeRmArgs {
    /// No error where there is none of the name
    #[arg(short, long)]
    pub force: bool,
    /// The volumes
    #[arg(required = true)]
    pub volumes: Vec<String>,
}

#[derive(Args)]
pub struct VolumePruneArgs {
    /// Also those with a name
    #[arg(short, long)]
    pub all: bool,
    /// Don't ask
    #[arg(short, long)]
    pub force: bool,
}
