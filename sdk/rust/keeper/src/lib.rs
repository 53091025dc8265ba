//! A plugin of what the host has beside plain requests: it counts in its store, signs, says so by an event, reads answers
//! in parts and answers clients.

use travertine_plugin::{
    json, path_segment, Call, Code, Event, Failure, Plugin, Request, SignatureKind, Value, WebRequest, WebResponse,
};

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

/// An export may be longer than memory: it is read part by part.
async fn measure(call: Call) -> Result<Value, Failure> {
    let export = call.text("export")?;
    let reading = call.span("read", &[("export", export)]);
    let answer = call.http_in_parts(Request::get(format!("/{}", path_segment(export)?))).await?;
    let message = format!("the service answered {} for {export}", answer.status());
    let mut answer = answer.error_for_status(message)?;
    let length = answer.header("Content-Length").and_then(|text| text.parse::<f64>().ok());
    let (mut bytes, mut lines) = (0, 0);
    while let Some(part) = answer.next().await? {
        bytes += part.len();
        lines += part.iter().filter(|byte| **byte == b'\n').count();
        call.progress(length.map(|length| bytes as f64 / length), format!("{bytes} bytes"));
    }
    drop(reading);
    call.count("bytes_measured", bytes as f64, &[]);
    Ok(json!({ "bytes": bytes, "lines": lines }))
}

/// `/counts`: all counts as JSON. `/counts.csv`: the same line by line, in parts. `/export/<name>`: what the service has,
/// passed on as it comes; PUT passes on to the service what the client sends.
async fn serve(call: Call, mut request: WebRequest) -> Result<WebResponse, Failure> {
    if request.method == "PUT" {
        return put(&call, &mut request).await;
    }
    match request.path.as_str() {
        "/counts" => {
            let page = call.kv().list("count/", "", 100).await?;
            let counts = page.entries.into_iter().map(|entry| (entry.key["count/".len()..].to_string(), entry.value));
            Ok(WebResponse::json(200, &Value::Object(counts.collect())))
        }
        "/counts.csv" => {
            let mut out = call.respond_in_parts(WebResponse::new(200).header("content-type", "text/csv"));
            let mut after = String::new();
            loop {
                let page = call.kv().list("count/", &after, 2).await?;
                for entry in &page.entries {
                    out.write(format!("{},{}\n", &entry.key["count/".len()..], entry.value)).await?;
                }
                match page.entries.last() {
                    Some(last) if page.has_more => after = last.key.clone(),
                    _ => return out.end(),
                }
            }
        }
        path => {
            let request = Request::get(format!("/{}", export_of(path)?)).connection("exports");
            let answer = call.http_in_parts(request).await?;
            let mut answer = answer.error_for_status("the service does not have this export")?;
            let mut out = call.respond_in_parts(WebResponse::new(200).header("content-type", "text/csv"));
            while let Some(part) = answer.next().await? {
                out.write(part).await?;
            }
            out.end()
        }
    }
}

fn export_of(path: &str) -> Result<&str, Failure> {
    path.strip_prefix("/export/").ok_or_else(|| Failure::new(Code::NotFound, "no such page"))
}

async fn put(call: &Call, request: &mut WebRequest) -> Result<WebResponse, Failure> {
    let to = Request::put(format!("/{}", export_of(&request.path)?)).connection("exports");
    let mut upload = call.upload(to, None);
    let mut body = call.read_body(request);
    while let Some(part) = body.next().await? {
        if upload.write(part).await.is_err() {
            break; // the service takes no more; its answer says why
        }
    }
    let answer = upload.end().await?.error_for_status("the service does not take this export")?;
    Ok(WebResponse::new(answer.status))
}

fn plugin() -> Plugin {
    Plugin::new()
        .operation("count", count)
        .operation("list", list)
        .operation("forget", forget)
        .operation("sign", sign)
        .operation("measure", measure)
        .serve(serve)
}

travertine_plugin::export!("keeper", env!("CARGO_PKG_VERSION"), plugin);
