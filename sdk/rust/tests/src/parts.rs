//! Bodies in parts, read and written well and badly.

use crate::Counted;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use travertine_plugin::{json, Call, Code, Failure, Request, Value, WebRequest, WebResponse, Write};

/// The status, the sizes of the parts, and the end of the body.
pub async fn read(call: Call) -> Result<Value, Failure> {
    let _counted = Counted::new();
    let answer = call.http_in_parts(Request::get("/big").header("X-A", "b")).await?;
    let mut answer = answer.error_for_status("there is nothing")?;
    let (mut body, mut sizes) = (Vec::new(), Vec::new());
    while let Some(part) = answer.next().await? {
        sizes.push(part.len());
        body.extend(part);
    }
    let tail = String::from_utf8_lossy(&body[body.len().saturating_sub(3)..]).into_owned();
    Ok(json!([answer.status(), answer.header("x-answer"), sizes, body.len(), tail]))
}

pub async fn read_one(call: Call) -> Result<Value, Failure> {
    let mut answer = call.http_in_parts(Request::get("/big")).await?;
    let part = answer.next().await?.unwrap_or_default();
    Ok(json!(part.len()))
}

/// What is given behind the end.
pub async fn read_beyond(call: Call) -> Result<Value, Failure> {
    let mut answer = call.http_in_parts(Request::get("/big")).await?;
    let mut said = Vec::new();
    for _ in 0..3 {
        said.push(match answer.next().await {
            Ok(Some(part)) => String::from_utf8_lossy(&part).into_owned(),
            Ok(None) => "end".to_string(),
            Err(failure) => failure.message,
        });
    }
    Ok(json!(said))
}

/// What comes while nobody waits is kept.
pub async fn read_late(call: Call) -> Result<Value, Failure> {
    let mut answer = call.http_in_parts(Request::get("/big")).await?;
    call.wait(Duration::from_secs(1)).await?;
    let part = answer.next().await?.unwrap_or_default();
    Ok(json!(part.len()))
}

pub async fn confused(call: Call) -> Result<Value, Failure> {
    call.respond_in_parts(WebResponse::new(200)).end().map(|_| Value::Null)
}

/// Gives up at the first time that it has to wait.
struct AtOnce<'a>(Write<'a, Vec<u8>>);
impl Future for AtOnce<'_> {
    type Output = bool;
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<bool> {
        Poll::Ready(Pin::new(&mut self.0).poll(context).is_ready())
    }
}

pub async fn serve(call: Call, request: WebRequest) -> Result<WebResponse, Failure> {
    let _counted = Counted::new();
    let text = || WebResponse::new(200).header("content-type", "text/plain");
    match request.path.as_str() {
        "/facts" => {
            let facts = json!({
                "principal": request.principal, "name": request.principal_name, "role": request.role,
                "method": request.method, "query": request.query, "a": request.parameter("a"),
                "type": request.header("Content-Type"), "body": request.json()?, "tenant": call.tenant(),
                "key": call.idempotency_key(), "operation": call.operation(), "input": call.input(),
                "timeout_ms": call.timeout().map(|time| time.as_millis() as u64),
            });
            Ok(WebResponse::json(201, &facts).header("etag", "\"1\""))
        }
        "/asks" => {
            let answer = call.http(Request::get("/x").connection("main")).await?;
            Ok(WebResponse::text(200, answer.text()?))
        }
        "/lines" => {
            let mut out = call.respond_in_parts(text().body("line 0\n"));
            for number in 1..=3 {
                call.kv().put("line", &json!(number)).await?;
                out.write(format!("line {number}\n")).await?;
            }
            out.write("").await?;
            out.end()
        }
        "/large" => {
            let mut out = call.respond_in_parts(text());
            out.write(vec![b'x'; 3_000_000]).await?;
            out.end()
        }
        "/passes-on" => {
            let mut answer = call.http_in_parts(Request::get("/big").connection("main")).await?;
            let mut out = call.respond_in_parts(text());
            while let Some(part) = answer.next().await? {
                out.write(part).await?;
            }
            out.end()
        }
        "/pass-on" => {
            let mut request = request;
            let length = request.parameter("length").and_then(|text| text.parse().ok());
            let mut upload = call.upload(Request::put("/archive").connection("main"), length);
            let mut body = call.read_body(&mut request);
            while let Some(part) = body.next().await? {
                if upload.write(part).await.is_err() {
                    break;
                }
            }
            let answer = upload.end().await?;
            Ok(WebResponse::text(answer.status, answer.text()?))
        }
        "/upload" => {
            let mut upload = call.upload_in_parts(Request::put("/archive").connection("main"), None);
            upload.write("one, ").await?;
            upload.write("two").await?;
            let mut answer = upload.end().await?;
            let mut size = 0;
            while let Some(part) = answer.next().await? {
                size += part.len();
            }
            Ok(WebResponse::text(answer.status(), size.to_string()))
        }
        "/torn-upload" => {
            let mut upload = call.upload(Request::put("/archive").connection("main"), None);
            let is_done = AtOnce(upload.write(vec![b'x'; 3_000_000])).await;
            assert!(!is_done);
            upload.end().await?;
            Ok(WebResponse::new(204))
        }
        "/reads-one" => {
            let mut request = request;
            let part = call.read_body(&mut request).next().await?;
            Ok(WebResponse::text(200, part.map_or(0, |part| part.len()).to_string()))
        }
        "/torn" => {
            let mut out = call.respond_in_parts(text());
            let is_done = AtOnce(out.write(vec![b'x'; 3_000_000])).await;
            assert!(!is_done);
            out.write("").await?;
            out.end()
        }
        "/large-head" => call.respond_in_parts(text().body(vec![b'x'; 65_537])).end(),
        "/too-large" => Ok(text().body(vec![b'x'; 1_000_001])),
        "/panics" => panic!("a defect"),
        "/panics-midway" => {
            let mut out = call.respond_in_parts(text());
            out.write("half").await?;
            panic!("midway")
        }
        _ => Err(Failure::new(Code::NotFound, "there is no such thing")),
    }
}
