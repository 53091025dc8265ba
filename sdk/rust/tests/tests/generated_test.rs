//! What `trav plugin generate` makes of a manifest with hostile names, as a plugin's author uses it: JSON to it, what is
//! wrong by name, and back to the same JSON.

#[path = "../../../../tests/generated/hostile/src/operations.rs"]
mod operations;

use operations::*;
use travertine_plugin::{json, Code, Typed, Value};

fn shapes() -> Value {
    json!({
        "text": "t", "count": 3, "ratio": 0.5, "on": true, "nothing": null, "any": {"x": [1]}, "list": ["a", "b"],
        "flags": [true, false], "matrix": [[1.5], []], "map": {"one": 1}, "nested": {"deep": {"deeper": "d"}},
        "rows": [{"id": 1, "tags": ["red", "green"]}, {"id": 2}], "level": -1, "fixed": "v1", "state": "in progress",
        "maybe": null, "maybe_absent": null,
        "node": {"name": "root", "children": [{"name": "leaf"}], "by-name": {"x": {"name": "x"}}},
        "open": {"known": "k", "unlisted": 1, "more": 2},
    })
}

fn why(member: &str, to: Value) -> String {
    let mut value = shapes();
    value[member] = to;
    ShapesInput::from_json(&value).map_or_else(|failure| failure.message, |_| String::new())
}

#[test]
fn every_shape_is_read_and_written_as_it_was() {
    let input = ShapesInput::from_json(&shapes()).unwrap();
    assert_eq!((input.count, input.ratio, input.on), (3, 0.5, true));
    assert_eq!(input.flags, Some(vec![true, false]));
    assert_eq!(input.matrix.as_ref().unwrap()[0], [1.5]);
    assert_eq!(input.nested.deep.deeper.as_deref(), Some("d"));
    assert_eq!(input.rows[0].tags.as_ref().unwrap()[1], ShapesInputRowsItemTagsItem::Green);
    assert_eq!(input.rows[1].tags, None);
    assert_eq!((input.level, input.state), (ShapesInputLevel::Minus1, Some(ShapesInputState::InProgress)));
    assert_eq!(input.maybe, None, "null");
    assert_eq!(input.maybe_absent, Some(None), "it is there, and null");
    assert_eq!(input.maybe_choice, None, "missing");
    assert_eq!(input.node.children.as_ref().unwrap()[0].name, "leaf");
    assert_eq!(input.open.as_ref().unwrap().others["more"], 2);
    assert_eq!(input.to_json(), shapes());
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    assert_eq!(why("text", json!(1)), "input: text must be a text");
    assert_eq!(why("count", json!(1.5)), "input: count must be an integer of 64 bits");
    assert_eq!(why("count", json!(9223372036854775808_u64)), "input: count must be an integer of 64 bits");
    assert_eq!(why("count", json!(4.0)), "");
    assert_eq!(why("ratio", json!("1")), "input: ratio must be a number");
    assert_eq!(why("on", json!(null)), "input: on must be true or false");
    assert_eq!(why("nothing", json!(0)), "input: nothing must be null");
    assert_eq!(why("list", json!([1])), "input: list[0] must be a text");
    assert_eq!(why("map", json!({"one": "1"})), "input: map: one must be an integer of 64 bits");
    assert_eq!(why("nested", json!({"deep": {"deeper": 1}})), "input: nested: deep: deeper must be a text");
    assert_eq!(why("nested", json!({"deep": {}, "more": 1})), "input: nested: more is not known");
    assert_eq!(why("nested", json!({})), "input: nested: deep is missing");
    let rows = json!([{"id": 1}, {"id": 1, "tags": ["blue"]}]);
    assert_eq!(why("rows", rows), "input: rows[1]: tags[0] must be one of \"red\", \"green\"");
    assert_eq!(why("level", json!(4)), "input: level must be one of 3, -1, 7");
    assert_eq!(why("fixed", json!("v2")), "input: fixed must be one of \"v1\"");
    assert_eq!(why("maybe", json!(1)), "input: maybe must be a text");
    let open = json!({"known": "k", "unlisted": 1, "more": "2"});
    assert_eq!(why("open", open), "input: open: more must be an integer of 64 bits");
    let failure = ShapesInput::from_json(&json!([])).unwrap_err();
    assert_eq!((failure.code, failure.message.as_str()), (Code::Invalid, "input must be an object"));
}

#[test]
fn names_that_no_program_can_have_are_members_all_the_same() {
    let names = NamesInput {
        class: "c".into(),
        int: 1,
        a_b: "a-b".into(),
        a_b_2: "a_b".into(),
        a_b_2_2: Some("a_b_2".into()),
        member: Some("without a name".into()),
        member_2: Some("in Japanese".into()),
        nul_byte: Some("with a zero".into()),
        trigraph: Some("with a trigraph".into()),
        self_: Some("a keyword".into()),
        _2nd: Some("with a digit in front".into()),
        ..NamesInput::default()
    };
    let expected = json!({
        "class": "c", "int": 1, "a-b": "a-b", "a_b": "a_b", "a_b_2": "a_b_2", "": "without a name",
        "\u{65e5}\u{672c}": "in Japanese", "nul\0byte": "with a zero", "??/trigraph": "with a trigraph",
        "self": "a keyword", "2nd": "with a digit in front",
    });
    assert_eq!(names.to_json(), expected, "what is not set is not there");
    assert_eq!(NamesInput::from_json(&expected), Ok(names));
    let unknown = json!({"class": "c", "int": 1, "a-b": "", "a_b": "", "Class": 1});
    assert_eq!(NamesInput::from_json(&unknown).unwrap_err().message, "input: Class is not known");
}

#[test]
fn what_has_no_type_is_json_itself() {
    let given = json!({"one": [1], "list": [1, "a"], "linked": {"next": {"next": null}}});
    let input = JsonItselfInput::from_json(&given).unwrap();
    assert_eq!(input.one, Some(json!([1])));
    assert_eq!(input.list.as_ref().map(Vec::len), Some(2));
    assert!(input.linked.as_ref().unwrap().next.as_ref().unwrap().is_object());
    assert_eq!(input.to_json(), given);
}

#[test]
fn outputs_that_are_no_objects_are_written() {
    let rows: ShapesOutput = vec![ShapesOutputItem { id: Some(1) }, ShapesOutputItem::default()];
    assert_eq!(rows.to_json(), json!([{"id": 1}, {}]));
    assert_eq!(JsonItselfOutput::None.to_json(), json!(null));
    assert_eq!(Some("text".to_string()).to_json(), json!("text"));
    assert_eq!(TypeNamesOutput::No.to_json(), json!("no"));
    assert_eq!(OptionInput::default().to_json(), json!({}));
    let others = [("known".to_string(), 7), ("more".to_string(), 2)].into_iter().collect();
    let open = ShapesInputOpen { known: "k".into(), unlisted: 1, others };
    assert_eq!(open.to_json(), json!({"known": "k", "unlisted": 1, "more": 2}), "another's name is not taken");
}
