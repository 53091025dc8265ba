// Made by `trav plugin generate` from manifest.json: change that, and make this again.
#![allow(dead_code, non_camel_case_types)]

travertine_plugin::typed_object! {
    pub struct EchoInput: refused {
        text: String = required("text"),
    }
}

travertine_plugin::typed_object! {
    pub struct EchoOutput: ignored {
        text: String = required("text"),
    }
}

travertine_plugin::typed_object! {
    pub struct FetchInput: refused {
        page: String = required("page"),
    }
}

travertine_plugin::typed_object! {
    pub struct FetchOutput: ignored {
        content: String = required("content"),
    }
}
