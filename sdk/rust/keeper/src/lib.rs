//! A plugin of the services that are neither HTTP nor time: it counts in its store, signs, and says so by an event.

use travertine_plugin::{json, Call, Code, Event, Failure, Plugin, SignatureKind, Value};

/// Others may count at the same time: who comes late reads again.
async fn count(call: Call) -> Result<Value, Failure> {
    let name = call.text("name")?;
    let key = format!("count/{name}");
    loop {
        let read = call.kv().get(&key).await?;
        let next = read.as_ref().and_then(|entry| entry.value.as_u64()).unwrap_or(0) + 1;
        let kept = call.kv().put_if(&key, &json!(next), read.map_or(0, |entry| entry.revision)).await;
        match kept {
            Err(failure) if failure.code == Code::Conflict => continue,
            Err(failure) => return Err(failure),
            Ok(_) => {}
        }
        call.emit(Event::new("com.keeper.counted", json!({ "count": next })).subject(name)).await?;
        return Ok(json!({ "count": next }));
    }
}

async fn list(call: Call) -> Result<Value, Failure> {
    let mut names = Vec::new();
    let mut after = String::new();
    loop {
        let page = call.kv().list("count/", &after, 2).await?;
        names.extend(page.entries.iter().map(|entry| json!(entry.key.trim_start_matches("count/"))));
        match page.entries.last() {
            Some(last) if page.has_more => after = last.key.clone(),
            _ => return Ok(json!({ "names": names })),
        }
    }
}

async fn forget(call: Call) -> Result<Value, Failure> {
    let key = format!("count/{}", call.text("name")?);
    call.kv().erase(&key).await?;
    Ok(json!({}))
}

async fn sign(call: Call) -> Result<Value, Failure> {
    let text = call.text("text")?;
    let secret = call.configuration()["signing"].as_str().ok_or_else(|| {
        Failure::invalid("no secret is configured: trav plugin configure keeper --set signing=<connection>")
    })?;
    let signature = call.sign(secret, SignatureKind::HmacSha256, text).await?;
    let hex: String = signature.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(json!({ "signature": hex }))
}

fn plugin() -> Plugin {
    Plugin::new().operation("count", count).operation("list", list).operation("forget", forget).operation("sign", sign)
}

travertine_plugin::export!("keeper", env!("CARGO_PKG_VERSION"), plugin);
