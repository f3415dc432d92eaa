//! The program under test, in a folder of its own.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// The program of this build.
pub(super) const PROGRAM: &str = env!("CARGO_BIN_EXE_plugboard");

/// A folder to work in, with the sample extension in `hello/`.
pub(super) struct Desk {
    folder: TempDir,
    variables: Vec<(String, String)>,
}

/// What a run of the program came to.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) code: Option<i32>,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

/// A run of the program that has not ended.
pub(super) struct Begun(Child);

impl Desk {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        copy(&sample(), &folder.path().join("hello"));
        Self { folder, variables: Vec::new() }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Sets a variable for every later run.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// The program with these words, in this folder, with no variables but ours.
    pub(super) fn command(&self, line: &str) -> Command {
        let mut command = self.other(PROGRAM);
        command.args(line.split_whitespace());
        command
    }

    /// Another program, in the same folder and with the same variables.
    pub(super) fn other(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.folder.path()).env_clear();
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs the program, as `$0`, in a line of the shell.
    pub(super) fn shell(&self, line: &str) -> Run {
        Run::of(self.other("/bin/sh").args(["-c", line, PROGRAM]).stdin(Stdio::null()))
    }

    /// Runs the program with nothing on standard input.
    pub(super) fn run(&self, line: &str) -> Run {
        Run::of(self.command(line).stdin(Stdio::null()))
    }

    /// Runs the program and insists on success.
    pub(super) fn ok(&self, line: &str) -> Run {
        let run = self.run(line);
        assert_eq!(run.code, Some(0), "plugboard {line}: {run:?}");
        run
    }

    /// Begins to run the program.
    pub(super) fn begin(&self, line: &str) -> Begun {
        let mut command = self.command(line);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Begun(command.spawn().unwrap())
    }

    /// Runs the program with text on standard input.
    pub(super) fn run_with_input(&self, line: &str, input: &str) -> Run {
        let mut command = self.command(line);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A program that ends before it reads is told by its exit code.
        child.stdin.take().unwrap().write_all(input.as_bytes()).ok();
        Run::ended(child.wait_with_output().unwrap())
    }

    /// Copies the sample to `folder`, as another version that may ask for more.
    pub(super) fn sample_as(&self, folder: &str, version: &str, capability: Option<&str>) {
        let folder = self.path(folder);
        copy(&sample(), &folder);
        change_manifest(&folder, |manifest| {
            manifest["version"] = version.into();
            let capabilities = manifest["capabilities"].as_array_mut().unwrap();
            capabilities.extend(capability.map(Value::from));
        });
    }

    /// Copies the sample to `folder` as the extension `name`, with a component of its own.
    pub(super) fn sample_named(&self, folder: &str, name: &str) {
        let folder = self.path(folder);
        copy(&sample(), &folder);
        change_manifest(&folder, |manifest| manifest["name"] = name.into());
        // A section that nothing reads: its name is `name`.
        let length = u8::try_from(name.len()).unwrap();
        let component = folder.join("dist/main.wasm");
        let section = [&[0, length + 1, length], name.as_bytes()].concat();
        let bytes = [fs::read(&component).unwrap(), section].concat();
        fs::write(component, bytes).unwrap();
    }
}

fn change_manifest(folder: &Path, change: impl FnOnce(&mut Value)) {
    let file = folder.join("manifest.json");
    let mut manifest: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    change(&mut manifest);
    fs::write(file, manifest.to_string()).unwrap();
}

impl Begun {
    /// Waits until it says something on standard error.
    pub(super) fn until_says(&mut self, wanted: &str) {
        let mut errors = BufReader::new(self.0.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains(wanted) {
            line.clear();
            assert_ne!(errors.read_line(&mut line).unwrap(), 0, "it ended without {wanted}");
        }
        // Kept open: it may say more.
        self.0.stderr = Some(errors.into_inner());
    }

    /// Waits for its end.
    pub(super) fn end(self) -> Run {
        Run::ended(self.0.wait_with_output().unwrap())
    }

    pub(super) fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Run {
    /// Runs a command to its end.
    pub(super) fn of(command: &mut Command) -> Self {
        Self::ended(command.output().unwrap())
    }

    fn ended(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The one object that `--json` printed.
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/hello/bundle")
}

/// Copies a folder; the copies have other times.
pub(super) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::write(target, fs::read(entry.path()).unwrap()).unwrap();
        }
    }
}

/// Puts a word in the place of what differs between runs.
pub(super) fn mask(object: &mut Value, fields: &[&str]) {
    for field in fields {
        let value = object.pointer_mut(field).unwrap_or_else(|| panic!("there is no {field}"));
        *value = format!("[{}]", field.rsplit('/').next().unwrap()).into();
    }
}

/// What an object looks like: its names, and the types of its values.
pub(super) fn shape(object: &Value) -> Value {
    match object {
        Value::Null => Value::Null,
        Value::Bool(_) => "bool".into(),
        Value::Number(_) => "number".into(),
        Value::String(_) => "string".into(),
        // One stands for all.
        Value::Array(values) => values.iter().take(1).map(shape).collect(),
        Value::Object(members) => {
            let named = |(name, value): (&String, &Value)| (name.clone(), shape(value));
            members.iter().map(named).collect()
        }
    }
}
