// Made by `trav plugin generate` from manifest.json: change that, and make this again.
#![allow(dead_code, non_camel_case_types)]

travertine_plugin::typed_object! {
    pub struct NamesInput: refused {
        class: String = required("class"),
        int: i64 = required("int"),
        namespace: Option<String> = optional("namespace"),
        a_b: String = required("a-b"),
        a_b_2: String = required("a_b"),
        a_b_2_2: Option<String> = optional("a_b_2"),
        a_b_3: Option<String> = optional("aB"),
        member: Option<String> = optional(""),
        member_2: Option<String> = optional("\u{65e5}\u{672c}"),
        member_3: Option<i64> = optional("\u{43a}\u{43b}\u{44e}\u{447}"),
        quoted: Option<String> = optional("\"quoted\\"),
        new_line: Option<String> = optional("new\u{a}line"),
        nul_byte: Option<String> = optional("nul\u{0}byte"),
        trigraph: Option<String> = optional("??/trigraph"),
        emoji: Option<String> = optional("emoji \u{1f600}"),
        _2nd: Option<String> = optional("2nd"),
        describe: Option<String> = optional("describe"),
        members: Option<String> = optional("members"),
        std: Option<String> = optional("std"),
        trv: Option<String> = optional("trv"),
        boost: Option<String> = optional("boost"),
        errno: Option<String> = optional("errno"),
        proto: Option<String> = optional("__proto__"),
        self_: Option<String> = optional("self"),
        none: Option<String> = optional("None"),
        html_url: Option<String> = optional("HTMLUrl"),
        value: Option<String> = optional("value"),
        /// turns the text * / and ends // with a backslash
        right: Option<String> = optional("\u{202e}right"),
        constructor: Option<String> = optional("constructor"),
        default: Option<String> = optional("default"),
        operator: Option<String> = optional("operator"),
        type_: Option<String> = optional("type"),
        pass: Option<String> = optional("pass"),
        member_4: Option<String> = optional("*/"),
    }
}

travertine_plugin::typed_object! {
    pub struct ShapesInputNestedDeep: ignored {
        deeper: Option<String> = optional("deeper"),
    }
}

travertine_plugin::typed_object! {
    pub struct ShapesInputNested: refused {
        deep: ShapesInputNestedDeep = required("deep"),
    }
}

travertine_plugin::typed_choice! {
    pub enum ShapesInputRowsItemTagsItem {
        Red = "red",
        Green = "green",
    }
}

travertine_plugin::typed_object! {
    pub struct ShapesInputRowsItem: ignored {
        id: i64 = required("id"),
        tags: Option<Vec<ShapesInputRowsItemTagsItem>> = optional("tags"),
    }
}

travertine_plugin::typed_choice! {
    pub enum ShapesInputLevel {
        Value3 = 3_i64,
        Minus1 = -1_i64,
        Value7 = 7_i64,
    }
}

travertine_plugin::typed_choice! {
    pub enum ShapesInputFixed {
        V1 = "v1",
    }
}

travertine_plugin::typed_choice! {
    pub enum ShapesInputState {
        Open = "open",
        Closed = "closed",
        InProgress = "in progress",
        Empty = "",
        Int = "int",
        Other = "\u{65e5}\u{672c}",
        Open_2 = "Open",
    }
}

travertine_plugin::typed_object! {
    pub struct Node: refused {
        name: String = required("name"),
        children: Option<Vec<Node>> = optional("children"),
        by_name: Option<std::collections::BTreeMap<String, Node>> = optional("by-name"),
    }
}

travertine_plugin::typed_choice! {
    pub enum ShapesInputMaybeChoice {
        A = "a",
    }
}

travertine_plugin::typed_object! {
    pub struct ShapesInputOpen: ignored {
        known: String = required("known"),
        unlisted: i64 = required("unlisted"),
        /// Members of other names.
        others: std::collections::BTreeMap<String, i64> = others(),
    }
}

travertine_plugin::typed_object! {
    /// Every shape.
    pub struct ShapesInput: ignored {
        /// A text.
        text: String = required("text"),
        count: i64 = required("count"),
        ratio: f64 = required("ratio"),
        on: bool = required("on"),
        nothing: () = required("nothing"),
        any: travertine_plugin::Value = required("any"),
        list: Vec<String> = required("list"),
        flags: Option<Vec<bool>> = optional("flags"),
        matrix: Option<Vec<Vec<f64>>> = optional("matrix"),
        map: std::collections::BTreeMap<String, i64> = required("map"),
        bag: Option<std::collections::BTreeMap<String, travertine_plugin::Value>> = optional("bag"),
        nested: ShapesInputNested = required("nested"),
        rows: Vec<ShapesInputRowsItem> = required("rows"),
        level: ShapesInputLevel = required("level"),
        fixed: ShapesInputFixed = required("fixed"),
        state: Option<ShapesInputState> = optional("state"),
        flag: Option<bool> = optional("flag"),
        maybe: Option<String> = required("maybe"),
        maybe_absent: Option<Option<Node>> = optional("maybe_absent"),
        maybe_choice: Option<Option<ShapesInputMaybeChoice>> = optional("maybe_choice"),
        node: Node = required("node"),
        nodes: Option<std::collections::BTreeMap<String, Node>> = optional("nodes"),
        open: Option<ShapesInputOpen> = optional("open"),
    }
}

travertine_plugin::typed_object! {
    pub struct ShapesOutputItem: ignored {
        id: Option<i64> = optional("id"),
    }
}

travertine_plugin::typed_object! {
    pub struct Linked: ignored {
        /// JSON itself: it contains itself.
        next: Option<travertine_plugin::Value> = optional("next"),
    }
}

travertine_plugin::typed_object! {
    pub struct JsonItselfInputEither: ignored {
        a: Option<String> = optional("a"),
        b: Option<String> = optional("b"),
    }
}

travertine_plugin::typed_object! {
    pub struct JsonItselfInput: ignored {
        /// JSON itself: several types.
        several: Option<travertine_plugin::Value> = optional("several"),
        /// JSON itself: oneOf.
        one: Option<travertine_plugin::Value> = optional("one"),
        /// JSON itself: prefixItems.
        tuple: Option<travertine_plugin::Value> = optional("tuple"),
        /// JSON itself: patternProperties.
        patterns: Option<travertine_plugin::Value> = optional("patterns"),
        /// JSON itself: an enum of several types.
        mixed: Option<travertine_plugin::Value> = optional("mixed"),
        /// JSON itself: allOf.
        merged: Option<travertine_plugin::Value> = optional("merged"),
        /// JSON itself: $ref https://example.com/schema.
        elsewhere: Option<travertine_plugin::Value> = optional("elsewhere"),
        /// JSON itself: $ref #/$defs/missing.
        lost: Option<travertine_plugin::Value> = optional("lost"),
        linked: Option<Linked> = optional("linked"),
        /// JSON itself: oneOf.
        list: Option<Vec<travertine_plugin::Value>> = optional("list"),
        either: Option<JsonItselfInputEither> = optional("either"),
    }
}

travertine_plugin::typed_object! {
    pub struct OptionInput: refused {
    }
}

travertine_plugin::typed_object! {
    pub struct JsonItselfInput_2: ignored {
        type_: Option<String> = optional("type_"),
    }
}

travertine_plugin::typed_object! {
    pub struct Record_: ignored {
        x: String = required("x"),
    }
}

travertine_plugin::typed_object! {
    pub struct Record_2: ignored {
        y: String = required("y"),
    }
}

travertine_plugin::typed_object! {
    pub struct Type: ignored {
        z: String = required("z"),
    }
}

travertine_plugin::typed_choice! {
    pub enum Any_ {
        Only = "only",
    }
}

travertine_plugin::typed_object! {
    pub struct TypeNamesInput: ignored {
        a: Option<Record_> = optional("a"),
        b: Option<Record_2> = optional("b"),
        c: Option<Type> = optional("c"),
        d: Option<Any_> = optional("d"),
    }
}

travertine_plugin::typed_choice! {
    pub enum TypeNamesOutput {
        Yes = "yes",
        No = "no",
    }
}

pub type NamesOutput = travertine_plugin::Value;

pub type ShapesOutput = Vec<ShapesOutputItem>;

pub type JsonItselfOutput = Option<String>;
