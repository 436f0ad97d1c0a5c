//! moto (<https://docs.getmoto.org>), an emulator of AWS, on a free port of this machine, and a process of its own for each test: whom AWS
//! takes us for stands in the environment, which threads share.
//!
//! The first run installs it under `target/tmp`, which takes a minute and a package index.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use keysweep::aws::{Account, Identity};

const VERSION: &str = "5.2.5";
/// Stands in the environment of a test's own process: the port of the server.
const PORT: &str = "KEYSWEEP_TEST_MOTO";

/// A server that ends with the process that started it, however that ends.
struct Moto {
    port: u16,
    child: Child,
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Moto {
    fn start() -> Self {
        let python = installed();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        // The pipe to it closes when this process is gone.
        let script = "import os, sys, threading\n\
                      threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()\n\
                      from moto.server import main\n\
                      main(['-H', '127.0.0.1', '-p', sys.argv[1]])";
        let child = Command::new(python)
            .args(["-c", script, &port.to_string()])
            .env("MOTO_IAM_LOAD_MANAGED_POLICIES", "true")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut moto = Self { port, child };
        while let Err(error) = TcpStream::connect(("127.0.0.1", port)) {
            assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
            assert_eq!(moto.child.try_wait().unwrap(), None, "moto ended before it began");
            std::thread::sleep(Duration::from_millis(50));
        }
        moto
    }
}

/// The Python that has moto.
fn installed() -> PathBuf {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("moto-{VERSION}"));
    let done = place.join("installed");
    // Other processes of this and other tests wait for the one that installs it.
    let lock = File::create(place.with_extension("lock")).unwrap();
    lock.lock().unwrap();
    let python = place.join("bin/python");
    if !done.exists() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&place));
        let package = format!("moto[server]=={VERSION}");
        run(Command::new(&python).args(["-m", "pip", "install", "--quiet", &package]));
        fs::write(done, "").unwrap();
    }
    python
}

fn run(command: &mut Command) {
    let status = command.status().unwrap();
    assert!(status.success(), "{command:?}: {status}");
}

/// An account of the server, as its administrator.
#[derive(Clone)]
pub struct Admin {
    port: u16,
    key: String,
    secret: String,
    token: String,
}

/// Runs a test in a process of its own, in whose environment stands that the account's administrator is signed in. There it gets the account
/// and goes on; here it gets nothing and is done.
pub fn in_account(number: &str, test: impl Fn()) -> Option<Admin> {
    static SHARED: OnceLock<Moto> = OnceLock::new();
    if let Some(admin) = own_process() {
        return Some(admin);
    }
    run_apart(SHARED.get_or_init(Moto::start).port, number, &test);
    None
}

/// The same with a server of its own, whose permissions [`Admin::enforce`] switches on.
pub fn alone(number: &str, test: impl Fn()) -> Option<Admin> {
    if let Some(admin) = own_process() {
        return Some(admin);
    }
    let moto = Moto::start();
    run_apart(moto.port, number, &test);
    None
}

fn own_process() -> Option<Admin> {
    let port = std::env::var(PORT).ok()?.parse().unwrap();
    let variable = |name: &str| std::env::var(name).unwrap();
    Some(Admin {
        port,
        key: variable("AWS_ACCESS_KEY_ID"),
        secret: variable("AWS_SECRET_ACCESS_KEY"),
        token: variable("AWS_SESSION_TOKEN"),
    })
}

fn run_apart<T>(port: u16, number: &str, _test: &T) {
    // `aws::asked::some_test`, which the test harness knows by what follows the crate's name.
    let (_, test) = std::any::type_name::<T>().split_once("::").unwrap();
    let admin = Admin::of(port, number);
    let home = tempfile::tempdir().unwrap();
    let endpoint = format!("http://127.0.0.1:{port}");
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env_clear()
        .env("HOME", home.path())
        .env("RUST_BACKTRACE", "1")
        .env(PORT, port.to_string())
        // Those of single services go before the one for all, behind which nothing answers.
        .env("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
        .envs(
            ["IAM", "STS", "ORGANIZATIONS", "S3"]
                .map(|service| (format!("AWS_ENDPOINT_URL_{service}"), endpoint.clone())),
        )
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_ACCESS_KEY_ID", &admin.key)
        .env("AWS_SECRET_ACCESS_KEY", &admin.secret)
        .env("AWS_SESSION_TOKEN", &admin.token)
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.contains("1 passed"), "{test}, by itself:\n{out}\n{err}");
}

impl Admin {
    /// Of any account: assuming a role in it makes it.
    pub fn of(port: u16, number: &str) -> Self {
        let nobody =
            Self { port, key: ["AKIA", "IOSFODNN7EXAMPLE"].concat(), secret: String::new(), token: String::new() };
        let role = format!("arn:aws:iam::{number}:role/Admin");
        let answer = nobody.sts("AssumeRole", &[("RoleArn", &role), ("RoleSessionName", "admin")]);
        let field = |name: &str| between(&answer, name).unwrap_or_else(|| panic!("{answer}"));
        Self { port, key: field("AccessKeyId"), secret: field("SecretAccessKey"), token: field("SessionToken") }
    }

    /// The administrator of another account of the same server.
    pub fn of_another(&self, number: &str) -> Self {
        Self::of(self.port, number)
    }

    /// Calls IAM; signatures are not looked at.
    pub fn iam(&self, action: &str, parameters: &[(&str, &str)]) -> String {
        self.query("iam", "2010-05-08", action, parameters)
    }

    fn sts(&self, action: &str, parameters: &[(&str, &str)]) -> String {
        self.query("sts", "2011-06-15", action, parameters)
    }

    fn query(&self, service: &str, version: &str, action: &str, parameters: &[(&str, &str)]) -> String {
        let mut body = format!("Action={action}&Version={version}");
        for (name, value) in parameters {
            let value: String = value.bytes().map(|byte| format!("%{byte:02X}")).collect();
            body.push_str(&format!("&{name}={value}"));
        }
        let (status, answer) = self.post(service, "/", &["Content-Type: application/x-www-form-urlencoded"], &body);
        assert_eq!(status, 200, "{action}: {answer}");
        answer
    }

    /// Calls the organizations service.
    pub fn organizations(&self, operation: &str, body: &str) -> String {
        let target = format!("X-Amz-Target: AWSOrganizationsV20161128.{operation}");
        let headers = [target.as_str(), "Content-Type: application/x-amz-json-1.1"];
        let (status, answer) = self.post("organizations", "/", &headers, body);
        assert_eq!(status, 200, "{operation}: {answer}");
        answer
    }

    /// From now on the server looks at signatures and at the actions that policies allow.
    pub fn enforce(&self) {
        let (status, answer) = self.post("iam", "/moto-api/reset-auth", &["Content-Type: text/plain"], "0");
        assert_eq!(status, 200, "{answer}");
    }

    /// Asks S3; its host name is the server's unless the headers have another.
    pub fn s3(&self, method: &str, path: &str, headers: &[&str], body: &str) -> (u16, String) {
        self.send(method, "s3", path, headers, body)
    }

    fn post(&self, service: &str, path: &str, headers: &[&str], body: &str) -> (u16, String) {
        self.send("POST", service, path, headers, body)
    }

    fn send(&self, method: &str, service: &str, path: &str, headers: &[&str], body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let Self { port, key, .. } = self;
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\nAuthorization: \
             AWS4-HMAC-SHA256 Credential={key}/20260101/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=00\r\n",
            body.len()
        );
        if !headers.iter().any(|header| header.starts_with("Host: ")) {
            request.push_str(&format!("Host: 127.0.0.1:{port}\r\n"));
        }
        headers.iter().for_each(|header| request.push_str(&format!("{header}\r\n")));
        write!(stream, "{request}\r\n{body}").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    /// Makes a user.
    pub fn user(&self, name: &str) -> &Self {
        self.iam("CreateUser", &[("UserName", name)]);
        self
    }

    /// Makes an access key of a user; the secret stands beside the id.
    pub fn key(&self, user: &str) -> (String, String) {
        let answer = self.iam("CreateAccessKey", &[("UserName", user)]);
        (between(&answer, "AccessKeyId").unwrap(), between(&answer, "SecretAccessKey").unwrap())
    }

    /// Lets a user do these actions and no others.
    pub fn allow(&self, user: &str, actions: &[&str]) -> &Self {
        let actions = actions.join("\",\"");
        let document = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":["{actions}"],"Resource":"*"}}]}}"#
        );
        self.iam("PutUserPolicy", &[("UserName", user), ("PolicyName", "allowed"), ("PolicyDocument", &document)]);
        self
    }

    /// Signs in as the administrator.
    pub fn connect(&self) -> Account {
        Account::connect(&Identity::default()).unwrap()
    }

    /// Writes a profile that signs with this key, and says how to be it.
    pub fn profile(&self, name: &str, (key, secret): &(String, String)) -> Identity {
        let directory = PathBuf::from(std::env::var("HOME").unwrap()).join(".aws");
        fs::create_dir_all(&directory).unwrap();
        let mut file = File::options().create(true).append(true).open(directory.join("credentials")).unwrap();
        write!(file, "[{name}]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n").unwrap();
        Identity { profile: Some(name.to_owned()), ..Identity::default() }
    }
}

/// The text of the first element of that name.
pub fn between(xml: &str, element: &str) -> Option<String> {
    let (_, rest) = xml.split_once(&format!("<{element}>"))?;
    Some(rest.split_once('<')?.0.to_owned())
}
