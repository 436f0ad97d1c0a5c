//! The recipes of docs/ci.md, each run with the variables of its system, and the scripts of action.yml.

use std::fs;
use std::process::Command;

use saphyr::{LoadableYamlNode, Yaml};
use serde_json::{Value, json};

use super::{Origin, new, old};
use crate::support::example_key;

/// A recipe of the guide, as it stands there.
fn recipe(name: &str) -> String {
    let guide = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/ci.md")).unwrap();
    let (_, rest) = guide.split_once(&format!("<!-- recipe: {name} -->\n```")).unwrap();
    let (_, rest) = rest.split_once('\n').unwrap();
    rest.split_once("\n```\n").unwrap().0.to_owned()
}

/// A document of YAML, as every one of these systems reads it before anything else.
fn yaml(text: &str) -> Yaml<'_> {
    Yaml::load_from_str(text).unwrap_or_else(|error| panic!("{error} in {text}")).remove(0)
}

/// The shell commands of a recipe: of `run`, `before_script` and `script`, be these lists or not, and of Jenkins' `sh`.
fn commands(name: &str) -> Vec<String> {
    let recipe = recipe(name);
    if name == "jenkins" {
        let shell = |line: &str| Some(line.trim().strip_prefix("sh '")?.strip_suffix('\'')?.to_owned());
        return recipe.lines().filter_map(shell).collect();
    }
    let mut found = Vec::new();
    gather(&yaml(&recipe), &mut found);
    found
}

fn gather(node: &Yaml<'_>, found: &mut Vec<String>) {
    for item in node.as_sequence().into_iter().flatten() {
        gather(item, found);
    }
    for (name, value) in node.as_mapping().into_iter().flatten() {
        if ["run", "before_script", "script"].contains(&name.as_str().unwrap()) {
            found.extend(value.as_str().map(str::to_owned));
            found.extend(value.as_sequence().into_iter().flatten().map(|item| item.as_str().unwrap().to_owned()));
        } else {
            gather(value, found);
        }
    }
}

impl Origin {
    /// Runs shell commands as a job does, with `keysweep` on the `PATH` and a `cargo` that has nothing to install.
    fn job(&self, commands: &[String], variables: &[(&str, &str)]) -> std::process::Output {
        let bin = self.at.path("bin");
        let _ = fs::create_dir(&bin);
        let _ = std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_keysweep"), bin.join("keysweep"));
        self.at.program("bin/cargo", "#!/bin/sh\necho \"cargo $*\"\n");
        let search = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
        let mut command = Command::new("bash");
        command.args(["-euo", "pipefail", "-c", &commands.join("\n")]).current_dir(self.at.path("job"));
        command
            .env_clear()
            .env("PATH", search)
            .env("HOME", self.at.path("../home"))
            .env("GIT_CONFIG_GLOBAL", "/dev/null");
        command.envs(variables.iter().copied()).output().unwrap()
    }
}

/// Each recipe with the variables of its system for the pull request from `topic` into `main`, and the file that it must leave behind.
#[test]
fn every_recipe_of_the_guide_finds_exactly_what_is_new() {
    let origin = Origin::new();
    let mut path = String::new();
    // Nothing is new between these two but files without a key.
    let clean = origin.at.git("origin", ["rev-parse", "topic~2"]);
    for (name, report) in [
        ("github", "keysweep.sarif"),
        ("gitlab", "keysweep.xml"),
        ("bitbucket", "test-reports/keysweep.xml"),
        ("jenkins", "keysweep.xml"),
        ("azure", "keysweep.xml"),
    ] {
        let commands = commands(name);
        assert!(commands.iter().any(|command| command.starts_with("keysweep scan --ci")), "{name}: {commands:?}");
        for (head, code) in [(&origin.topic, 1), (&clean, 0)] {
            origin.checkout(head, &[]);
            let event = json!({"pull_request": {"base": {"ref": "main", "sha": origin.main}, "head": {"ref": "topic", "sha": head}}});
            let mut variables = origin.github("pull_request", &event, &mut path);
            let (main, head) = (&*origin.main, &**head);
            match name {
                "gitlab" => {
                    variables = vec![("GITLAB_CI", "true"), ("CI_COMMIT_SHA", head), ("CI_DEFAULT_BRANCH", "main")];
                    variables.extend([("CI_MERGE_REQUEST_IID", "1"), ("CI_MERGE_REQUEST_DIFF_BASE_SHA", main)]);
                }
                "bitbucket" => {
                    variables = vec![("BITBUCKET_BUILD_NUMBER", "1"), ("BITBUCKET_COMMIT", head)];
                    variables.extend([("BITBUCKET_PR_ID", "1"), ("BITBUCKET_PR_DESTINATION_COMMIT", &main[..12])]);
                }
                "jenkins" => {
                    variables = vec![("JENKINS_URL", "https://ci/"), ("CHANGE_ID", "1"), ("CHANGE_TARGET", "main")];
                }
                "azure" => {
                    variables = vec![("TF_BUILD", "True"), ("SYSTEM_PULLREQUEST_SOURCECOMMITID", head)];
                    variables.push(("SYSTEM_PULLREQUEST_TARGETBRANCH", "refs/heads/main"));
                }
                _ => {}
            }
            let output = origin.job(&commands, &variables);
            let told = format!("{name}: {output:?}");
            assert_eq!(output.status.code(), Some(code), "{told}");
            assert!(told.contains("cargo install --locked keysweep"), "{told}");
            let report = fs::read_to_string(origin.at.path("job").join(report)).unwrap();
            assert_eq!((report.contains(&new()), report.contains(&old())), (code == 1, false), "{name}: {report}");
            assert!(!report.contains(&example_key(2).1), "{name} has the secret");
        }
    }
    // GitLab's own report as well, and the annotation of GitHub.
    origin.checkout(&origin.topic, &[]);
    let variables = origin.github("pull_request", &origin.pull_request(&origin.main), &mut path);
    let output = origin.job(&commands("github"), &variables);
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(stdout.contains("::error file=new.env,line=1,"), "{stdout}");
}

/// The texts of a document, wherever they stand in it.
fn texts<'a>(node: &'a Yaml<'_>, found: &mut Vec<&'a str>) {
    found.extend(node.as_str());
    node.as_sequence().into_iter().flatten().for_each(|item| texts(item, found));
    node.as_mapping().into_iter().flatten().for_each(|(_, value)| texts(value, found));
}

#[test]
fn the_inputs_of_the_action_are_described_used_and_never_a_part_of_a_script() {
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/action.yml")).unwrap();
    let action = yaml(&text);
    assert_eq!(action["runs"]["using"].as_str(), Some("composite"));
    let mut used = Vec::new();
    texts(&action["runs"], &mut used);
    for (input, about) in action["inputs"].as_mapping().unwrap() {
        let input = input.as_str().unwrap();
        assert!(about["description"].as_str().is_some_and(|text| text.len() > 20), "{input} is not described");
        assert!(used.iter().any(|text| text.contains(&format!("inputs.{input}"))), "{input} is not used");
    }
    let scripts = ["install", "scan"]
        .map(|name| fs::read_to_string(format!("{}/action/{name}.sh", env!("CARGO_MANIFEST_DIR"))).unwrap());
    for step in action["runs"]["steps"].as_sequence().unwrap() {
        assert!(step.as_mapping_get("run").is_none_or(|run| !run.as_str().unwrap().contains("${{")));
        // Each variable that is handed to a script is read by one.
        for (name, _) in step.as_mapping_get("env").and_then(Yaml::as_mapping).into_iter().flatten() {
            let name = name.as_str().unwrap();
            assert!(scripts.iter().any(|script| script.contains(name)), "{name} is not read");
        }
    }
}

#[test]
fn the_workflow_of_the_action_asks_for_no_more_than_to_read() {
    for name in ["github-action", "github"] {
        let recipe = recipe(name);
        let workflow = yaml(&recipe);
        let permissions = workflow["permissions"].as_mapping().unwrap();
        let told: Vec<_> =
            permissions.iter().map(|(name, value)| (name.as_str().unwrap(), value.as_str().unwrap())).collect();
        assert_eq!(told, [("contents", "read")]);
        let steps = workflow["jobs"]["keysweep"]["steps"].as_sequence().unwrap();
        assert_eq!(steps[0]["with"]["fetch-depth"].as_integer(), Some(0));
    }
    assert!(recipe("github-action").contains("- uses: OWNER/keysweep@"));
}

mod action {
    use super::*;

    fn script(name: &str) -> Vec<String> {
        vec![format!("exec bash {}/action/{name}.sh", env!("CARGO_MANIFEST_DIR"))]
    }

    /// Makes a release of `owner/keysweep` with this binary in it; returns the archive's SHA-256.
    fn release(origin: &Origin, version: &str) -> String {
        let directory = origin.at.path(format!("server/owner/keysweep/releases/download/{version}"));
        fs::create_dir_all(&directory).unwrap();
        let name = "keysweep-x86_64-unknown-linux-gnu.tar.gz";
        origin.at.program("built/keysweep", "#!/bin/sh\necho keysweep 9.9.9\n");
        let mut tar = Command::new("tar");
        tar.arg("-czf").arg(directory.join(name)).arg("-C").arg(origin.at.path("built")).arg("keysweep");
        assert!(tar.status().unwrap().success());
        let listed = Command::new("sha256sum").arg(name).current_dir(&directory).output().unwrap();
        fs::write(directory.join(format!("{name}.sha256")), &listed.stdout).unwrap();
        String::from_utf8(listed.stdout).unwrap().split(' ').next().unwrap().to_owned()
    }

    fn install(origin: &Origin, variables: &[(&str, &str)]) -> (Option<i32>, String) {
        origin.checkout("origin/topic", &[]);
        let outputs = origin.at.path("outputs");
        let _ = fs::remove_file(&outputs);
        let server = format!("file://{}", origin.at.path("server").display());
        let (outputs, temp) = (outputs.display().to_string(), origin.at.path("../tmp").display().to_string());
        let source = origin.at.path("source").display().to_string();
        let common = [
            ("RUNNER_OS", "Linux"),
            ("RUNNER_ARCH", "X64"),
            ("RUNNER_TEMP", &*temp),
            ("GITHUB_SERVER_URL", &*server),
            ("GITHUB_OUTPUT", &*outputs),
            ("GITHUB_ACTION_PATH", &*source),
            ("KEYSWEEP_REPOSITORY", "owner/keysweep"),
        ];
        let output = origin.job(&script("install"), &[&common[..], variables].concat());
        let told = format!("{output:?} {}", fs::read_to_string(&outputs).unwrap_or_default());
        (output.status.code(), told)
    }

    #[test]
    fn a_release_is_installed_if_its_digest_is_right() {
        let origin = Origin::new();
        let digest = release(&origin, "v1");
        for variables in [
            &[("KEYSWEEP_VERSION", "v1")][..],
            &[("KEYSWEEP_REF", "v1")],
            &[("KEYSWEEP_VERSION", "v1"), ("KEYSWEEP_REF", "main"), ("KEYSWEEP_SHA256", &digest)],
            &[("KEYSWEEP_VERSION", "v1"), ("KEYSWEEP_SHA256", &digest.to_uppercase())],
        ] {
            let (code, told) = install(&origin, variables);
            assert!(code == Some(0) && told.contains("keysweep 9.9.9") && told.contains("keysweep=/"), "{told}");
        }
    }

    #[test]
    fn a_release_with_another_digest_is_not() {
        let origin = Origin::new();
        let digest = release(&origin, "v1");
        let wrong = digest.replace(|c: char| c.is_ascii_digit(), "0");
        let (code, told) = install(&origin, &[("KEYSWEEP_VERSION", "v1"), ("KEYSWEEP_SHA256", &wrong)]);
        assert!(code == Some(2) && told.contains("SHA-256") && !told.contains("9.9.9"), "{told}");
        // Nor does it become a build of something else.
        let (code, told) = install(&origin, &[("KEYSWEEP_VERSION", "v2"), ("KEYSWEEP_SHA256", &digest)]);
        assert!(code == Some(2) && !told.contains("cargo install"), "{told}");
        let archive = "server/owner/keysweep/releases/download/v1/keysweep-x86_64-unknown-linux-gnu.tar.gz";
        fs::write(origin.at.path(format!("{archive}.sha256")), format!("{wrong}  x\n")).unwrap();
        assert_eq!(install(&origin, &[("KEYSWEEP_VERSION", "v1")]).0, Some(2));
        fs::remove_file(origin.at.path(format!("{archive}.sha256"))).unwrap();
        let (code, told) = install(&origin, &[("KEYSWEEP_VERSION", "v1")]);
        assert!(code == Some(2) && told.contains("give the input sha256"), "{told}");
    }

    #[test]
    fn without_a_release_the_source_of_the_action_is_built() {
        let origin = Origin::new();
        release(&origin, "v1");
        origin.checkout("origin/topic", &[]);
        let built = "#!/bin/sh\necho \"cargo $*\"\nmkdir -p \"$7/bin\"\nprintf '#!/bin/sh\\necho keysweep 8.8.8\\n' > \"$7/bin/keysweep\"\n\
                     chmod +x \"$7/bin/keysweep\"\n";
        for variables in
            [&[("KEYSWEEP_VERSION", "source")][..], &[("KEYSWEEP_REF", "main")], &[], &[("KEYSWEEP_VERSION", "v2")]]
        {
            origin.at.program("own/cargo", built);
            let own = format!("{}:{}", origin.at.path("own").display(), std::env::var("PATH").unwrap());
            let (code, told) = install(&origin, &[variables, &[("PATH", &*own)]].concat());
            assert!(code == Some(0) && told.contains("keysweep 8.8.8"), "{told}");
            assert!(told.contains("cargo install --locked --quiet --path"), "{told}");
        }
    }

    #[test]
    fn the_scan_of_the_action_annotates_and_says_how_it_ended() {
        let origin = Origin::new();
        let mut path = String::new();
        for (base, code) in [(&origin.main, 1), (&origin.topic, 0)] {
            origin.checkout("origin/topic", &[]);
            let outputs = origin.at.path("outputs");
            let _ = fs::remove_file(&outputs);
            let mut variables = origin.github("pull_request", &origin.pull_request(base), &mut path);
            let outputs = outputs.display().to_string();
            variables
                .extend([("KEYSWEEP", env!("CARGO_BIN_EXE_keysweep")), ("KEYSWEEP_ARGS", "--pack common  --jobs 1")]);
            variables.extend([("KEYSWEEP_SARIF", "out.sarif"), ("GITHUB_OUTPUT", &*outputs)]);
            let output = origin.job(&script("scan"), &variables);
            assert_eq!(output.status.code(), Some(code), "{output:?}");
            let expected = format!("sarif-file=out.sarif\nexit-code={code}\n");
            assert_eq!(fs::read_to_string(&outputs).unwrap(), expected);
            let stdout = String::from_utf8(output.stdout).unwrap();
            assert_eq!(stdout.contains("::error file=new.env,line=1"), code == 1, "{stdout}");
            let sarif: Value = serde_json::from_slice(&fs::read(origin.at.path("job/out.sarif")).unwrap()).unwrap();
            assert_eq!(sarif["runs"][0]["results"].as_array().unwrap().len(), code as usize);
        }
    }

    #[test]
    fn the_scan_of_the_action_fails_aloud_when_nothing_could_be_scanned() {
        let origin = Origin::new();
        origin.checkout("origin/topic", &[]);
        let outputs = origin.at.path("outputs").display().to_string();
        let variables = [
            ("KEYSWEEP", env!("CARGO_BIN_EXE_keysweep")),
            ("KEYSWEEP_SARIF", "out.sarif"),
            ("GITHUB_OUTPUT", &*outputs),
        ];
        let fails = |word: &str| {
            let _ = fs::remove_file(&outputs);
            let output = origin.job(&script("scan"), &variables);
            assert_eq!((output.status.code(), &*fs::read_to_string(&outputs).unwrap()), (Some(2), "exit-code=2\n"));
            let stdout = String::from_utf8(output.stdout).unwrap();
            let error = stdout.lines().find(|line| line.starts_with("::error title=keysweep could not")).unwrap();
            assert!(error.contains(word), "{error}");
        };
        fails("exit code 2");
        // What the change brings itself is no report of the scan.
        origin.at.write("job/out.sarif", "{}");
        fails("exit code 2");
        assert!(!origin.at.path("job/out.sarif").exists());
        origin.at.write("job/out.sarif/file", "{}");
        fails("sarif-file");
    }

    #[test]
    fn the_scan_of_the_action_writes_to_no_place_that_a_link_leads_to() {
        let origin = Origin::new();
        let mut path = String::new();
        origin.checkout("origin/topic", &[]);
        origin.at.write("victim", "as it was");
        std::os::unix::fs::symlink("../victim", origin.at.path("job/out.sarif")).unwrap();
        let outputs = origin.at.path("outputs").display().to_string();
        let mut variables = origin.github("pull_request", &origin.pull_request(&origin.main), &mut path);
        variables.extend([("KEYSWEEP", env!("CARGO_BIN_EXE_keysweep")), ("KEYSWEEP_SARIF", "out.sarif")]);
        variables.push(("GITHUB_OUTPUT", &*outputs));
        assert_eq!(origin.job(&script("scan"), &variables).status.code(), Some(1));
        assert_eq!(fs::read_to_string(origin.at.path("victim")).unwrap(), "as it was");
        assert!(fs::metadata(origin.at.path("job/out.sarif")).unwrap().len() > 100);
    }
}
