//! A plugin is an async function for each operation, and a table of them.

use travertine_plugin::{json, path_segment, Call, Failure, Plugin, Request, Value};

async fn echo(call: Call) -> Result<Value, Failure> {
    let text = call.text("text")?;
    Ok(json!({ "text": text }))
}

async fn fetch(call: Call) -> Result<Value, Failure> {
    let page = call.text("page")?;
    let answer = call.http(Request::get(format!("/{}", path_segment(page)?))).await?;
    let message = format!("the service answered {} for {page}", answer.status);
    let answer = answer.error_for_status(message)?;
    Ok(json!({"content": answer.text()?}))
}

fn plugin() -> Plugin {
    Plugin::new().operation("echo", echo).operation("fetch", fetch)
}

travertine_plugin::export!("sample-plugin", env!("CARGO_PKG_VERSION"), plugin);
