use crate::call::Call;
use crate::failure::Failure;
use crate::task::Running;
use serde_json::Value;
use std::collections::HashMap;
use std::future::Future;

type Operation = Box<dyn Fn(Call) -> Running + Send + Sync>;
type Begin = Box<dyn Fn(&Value) -> Result<(), Failure> + Send + Sync>;
type End = Box<dyn Fn() + Send + Sync>;

/// The operations of one instance. See the crate's page for a whole plugin.
#[derive(Default)]
pub struct Plugin {
    operations: HashMap<String, Operation>,
    begin: Option<Begin>,
    end: Option<End>,
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
        let again = self.operations.insert(name.clone(), Box::new(move |call| Box::pin(run(call))));
        assert!(again.is_none(), "operation \"{name}\" is there twice");
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
