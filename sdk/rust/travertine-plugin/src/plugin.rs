use crate::call::Call;
use crate::failure::Failure;
use crate::task::{Reply, Running};
use crate::web::{WebRequest, WebResponse};
use serde_json::Value;
use std::collections::HashMap;
use std::future::Future;

type Operation = Box<dyn Fn(Call) -> Running + Send + Sync>;
type Serve = Box<dyn Fn(Call, WebRequest) -> Running + Send + Sync>;
type Begin = Box<dyn Fn(&Value) -> Result<(), Failure> + Send + Sync>;
type End = Box<dyn Fn() + Send + Sync>;
type Save = Box<dyn Fn() -> Result<Vec<u8>, Failure> + Send + Sync>;
type Restore = Box<dyn Fn(&str, &[u8]) -> Result<(), Failure> + Send + Sync>;
type Check = Box<dyn Fn() -> Result<(), Failure> + Send + Sync>;

/// The operations of one instance. See the crate's page for a whole plugin.
#[derive(Default)]
pub struct Plugin {
    operations: HashMap<String, Operation>,
    serve: Option<Serve>,
    begin: Option<Begin>,
    end: Option<End>,
    state: Option<(Save, Restore)>,
    check: Option<Check>,
}

impl Plugin {
    pub fn new() -> Plugin {
        Plugin::default()
    }

    /// `name` is that of an operation in the manifest. `run` is an `async fn(Call) -> Result<Value, Failure>`, or a
    /// closure that returns such a future. What instances share is captured by closures.
    #[must_use]
    pub fn operation<F, R>(mut self, name: impl Into<String>, run: F) -> Plugin
    where
        F: Fn(Call) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Value, Failure>> + Send + 'static,
    {
        let name = name.into();
        let again = self.operations.insert(name.clone(), Box::new(move |call| output_of(run(call))));
        assert!(again.is_none(), "operation \"{name}\" is there twice");
        self
    }

    /// Answers HTTP requests of the tenant's clients (trv.serve/1), below
    /// `/v1/tenants/{tenant}/plugins/{plugin}/serve/`. `run` is an
    /// `async fn(Call, WebRequest) -> Result<WebResponse, Failure>`, or a closure that returns such a future. GET and
    /// HEAD must change nothing. The manifest asks for it: `"permissions": ["serve"]`.
    ///
    /// ```
    /// use travertine_plugin::{Call, Failure, Plugin, WebRequest, WebResponse};
    ///
    /// async fn greet(_call: Call, request: WebRequest) -> Result<WebResponse, Failure> {
    ///     let name = request.parameter("name").unwrap_or_else(|| request.principal_name.clone());
    ///     Ok(WebResponse::text(200, format!("Hello, {name}")))
    /// }
    ///
    /// let plugin = Plugin::new().serve(greet);
    /// ```
    #[must_use]
    pub fn serve<F, R>(mut self, run: F) -> Plugin
    where
        F: Fn(Call, WebRequest) -> R + Send + Sync + 'static,
        R: Future<Output = Result<WebResponse, Failure>> + Send + 'static,
    {
        self.serve = Some(Box::new(move |call, request| {
            let response = run(call, request);
            Box::pin(async move { response.await.map(Reply::Response) })
        }));
        self
    }

    /// Before the first call, with the configuration, a JSON object. A failure says why the plugin cannot start.
    #[must_use]
    pub fn on_begin(mut self, run: impl Fn(&Value) -> Result<(), Failure> + Send + Sync + 'static) -> Plugin {
        self.begin = Some(Box::new(run));
        self
    }

    /// After the last call.
    #[must_use]
    pub fn on_end(mut self, run: impl Fn() + Send + Sync + 'static) -> Plugin {
        self.end = Some(Box::new(run));
        self
    }

    /// What the plugin keeps in memory goes with its tenant to another version: `save` gives at most 1,000,000 bytes
    /// while no call is open; `restore` takes them before the first call, with the version that saved them, older or
    /// newer, or says why not: that version goes on. An instance then serves one tenant.
    #[must_use]
    pub fn keeps_state(
        mut self,
        save: impl Fn() -> Result<Vec<u8>, Failure> + Send + Sync + 'static,
        restore: impl Fn(&str, &[u8]) -> Result<(), Failure> + Send + Sync + 'static,
    ) -> Plugin {
        self.state = Some((Box::new(save), Box::new(restore)));
        self
    }

    /// Before a tenant switches to this version: a failure says why the plugin would not do its work.
    #[must_use]
    pub fn on_check(mut self, run: impl Fn() -> Result<(), Failure> + Send + Sync + 'static) -> Plugin {
        self.check = Some(Box::new(run));
        self
    }

    pub(crate) fn has_serve(&self) -> bool {
        self.serve.is_some()
    }
    pub(crate) fn start_serving(&self, call: Call, request: WebRequest) -> Option<Running> {
        let run = self.serve.as_ref()?;
        Some(run(call, request))
    }
    pub(crate) fn has_state(&self) -> bool {
        self.state.is_some()
    }
    pub(crate) fn has_check(&self) -> bool {
        self.check.is_some()
    }
    pub(crate) fn save(&self) -> Result<Vec<u8>, Failure> {
        self.state.as_ref().map_or(Ok(Vec::new()), |(save, _)| save())
    }
    pub(crate) fn restore(&self, version: &str, state: &[u8]) -> Result<(), Failure> {
        self.state.as_ref().map_or(Ok(()), |(_, restore)| restore(version, state))
    }
    pub(crate) fn check(&self) -> Result<(), Failure> {
        self.check.as_ref().map_or(Ok(()), |run| run())
    }
    pub(crate) fn begin(&self, configuration: &Value) -> Result<(), Failure> {
        self.begin.as_ref().map_or(Ok(()), |run| run(configuration))
    }
    pub(crate) fn end(&self) {
        if let Some(run) = &self.end {
            run();
        }
    }
    /// In the order of the alphabet.
    pub(crate) fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.operations.keys().map(String::as_str).collect();
        names.sort_unstable();
        names
    }
    pub(crate) fn has(&self, name: &str) -> bool {
        self.operations.contains_key(name)
    }
    pub(crate) fn start(&self, call: Call) -> Option<Running> {
        let run = self.operations.get(call.operation())?;
        Some(run(call))
    }
}

fn output_of(running: impl Future<Output = Result<Value, Failure>> + Send + 'static) -> Running {
    Box::pin(async move { running.await.map(Reply::Output) })
}
