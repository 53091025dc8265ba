//! Blobs: what is written in parts is kept under its SHA-256 and read back.

use travertine_plugin::testing::Host;
use travertine_plugin::{json, Call, Code, Failure, Plugin, Value};

async fn put(call: Call) -> Result<Value, Failure> {
    let mut blob = call.blobs().begin();
    blob.write(vec![b'a'; 600_000]).await?;
    blob.write("z").await?;
    let kept = blob.store("text/plain", "a.txt").await?;
    let mut given_up = call.blobs().begin();
    given_up.write("half").await?;
    drop(given_up);
    Ok(json!([kept.digest, kept.size, kept.name]))
}

async fn read(call: Call) -> Result<Value, Failure> {
    let digest = call.text("digest")?;
    let mut bytes: Vec<u8> = Vec::new();
    loop {
        let part = call.blobs().read(digest, bytes.len() as u64).await?;
        bytes.extend(part.bytes);
        if !part.has_more {
            break;
        }
    }
    let found = call.blobs().find(digest).await?;
    Ok(json!([bytes.len(), bytes.last(), found.media_type]))
}

async fn erase(call: Call) -> Result<Value, Failure> {
    call.blobs().erase(call.text("digest")?).await?;
    Ok(json!(call.blobs().list("", 100).await?.blobs.len()))
}

fn plugin() -> Plugin {
    Plugin::new().operation("put", put).operation("read", read).operation("erase", erase)
}

travertine_plugin::export!("archive", "1.0.0", plugin);

#[test]
fn a_blob_is_written_in_parts_of_any_size_and_read_back() {
    let host = Host::start(&trv_entry_v1, json!({})).unwrap();
    let kept = host.call("put", json!({}), &[]).unwrap();
    let digest = kept[0].as_str().unwrap().to_string();
    assert_eq!((&kept[1], &kept[2]), (&json!(600_001), &json!("a.txt")));
    assert_eq!(host.blob(&digest).unwrap().len(), 600_001);
    assert_eq!(host.call("read", json!({ "digest": digest }), &[]), Ok(json!([600_001, b'z', "text/plain"])));
    assert_eq!(host.call("erase", json!({ "digest": digest }), &[]), Ok(json!(0)));
    assert_eq!(host.call("read", json!({ "digest": digest }), &[]).unwrap_err().code, Code::NotFound);
}

#[test]
fn a_digest_is_that_of_sha256() {
    let host = Host::start(&trv_entry_v1, json!({})).unwrap();
    let digest = host.put_blob("abc", "", "");
    assert_eq!(digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

#[test]
fn what_the_host_refuses_is_a_failure() {
    let host = Host::start(&trv_entry_v1, json!({})).unwrap();
    host.refuse_services(Some(Failure::new(Code::Exhausted, "it is full")));
    assert_eq!(host.call("put", json!({}), &[]).unwrap_err().code, Code::Exhausted);
}
