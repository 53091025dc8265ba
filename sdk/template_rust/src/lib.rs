//! A plugin is an async function for each operation, and a table of them.

mod operations;

use operations::{EchoInput, EchoOutput, FetchInput, FetchOutput};
use travertine_plugin::{path_segment, Call, Failure, Plugin, Request, Typed, Value};

async fn echo(call: Call) -> Result<Value, Failure> {
    let input: EchoInput = call.input_as()?;
    Ok(EchoOutput { text: input.text }.to_json())
}

async fn fetch(call: Call) -> Result<Value, Failure> {
    let FetchInput { page } = call.input_as()?;
    let answer = call.http(Request::get(format!("/{}", path_segment(&page)?))).await?;
    let message = format!("the service answered {} for {page}", answer.status);
    let answer = answer.error_for_status(message)?;
    Ok(FetchOutput { content: answer.text()?.to_string() }.to_json())
}

fn plugin() -> Plugin {
    Plugin::new().operation("echo", echo).operation("fetch", fetch)
}

travertine_plugin::export!("sample-plugin", env!("CARGO_PKG_VERSION"), plugin);
