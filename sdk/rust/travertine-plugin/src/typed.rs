//! JSON to and from types, as `trav plugin generate` makes them of a manifest.
//!
//! ```
//! use travertine_plugin::{json, typed_choice, typed_object, Failure, Typed};
//!
//! typed_choice! {
//!     pub enum Colour { Red = "red", Green = "green" }
//! }
//! typed_object! {
//!     pub struct Paint: refused {
//!         colour: Colour = required("colour"),
//!         layers: Option<i64> = optional("layers"),
//!     }
//! }
//!
//! let paint = Paint::from_json(&json!({"colour": "green"}))?;
//! assert_eq!(paint, Paint { colour: Colour::Green, layers: None });
//! assert_eq!(Paint::from_json(&json!({"colour": 7})).unwrap_err().message, "input: colour must be one of \"red\", \"green\"");
//! assert_eq!(paint.to_json(), json!({"colour": "green"}));
//! # Ok::<(), Failure>(())
//! ```
//!
//! What only restricts (lengths, bounds, patterns) is held against the schema by the host. `refused` and `ignored` say what
//! becomes of members that the type does not name; a member `others: BTreeMap<String, T> = others()` keeps them.

use crate::failure::Failure;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A type that JSON is read into and written from.
pub trait Typed: Sized {
    /// The failure is `Code::Invalid`, with the place in the value and what has to be there.
    fn read(from: &Value, place: &Place<'_>) -> Result<Self, Failure>;
    fn to_json(&self) -> Value;

    /// As `read`, of a value that messages call the input.
    fn from_json(from: &Value) -> Result<Self, Failure> {
        Self::read(from, &Place::whole("input"))
    }
}

/// Where a value is: `input: labels[2]: name`.
pub struct Place<'a> {
    around: Option<&'a Place<'a>>,
    name: &'a str,
    index: Option<usize>,
}

impl<'a> Place<'a> {
    /// `name` is what messages call the value, such as `the service's answer`.
    pub fn whole(name: &'a str) -> Place<'a> {
        Place { around: None, name, index: None }
    }
    fn member(&'a self, name: &'a str) -> Place<'a> {
        Place { around: Some(self), name, index: None }
    }
    fn item(&'a self, index: usize) -> Place<'a> {
        Place { around: Some(self), name: "", index: Some(index) }
    }

    fn text(&self) -> String {
        match (self.around, self.index) {
            (None, _) => self.name.to_string(),
            (Some(around), Some(index)) => format!("{}[{index}]", around.text()),
            (Some(around), None) => format!("{}: {}", around.text(), self.name),
        }
    }
    pub fn failure(&self, what: &str) -> Failure {
        Failure::invalid(format!("{} {what}", self.text()))
    }
}

/// An exact integer, also where it is written as 3.0.
fn integer_of(from: &Value) -> Option<i64> {
    const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;
    from.as_i64().or_else(|| {
        let number = from.as_f64().filter(|number| !from.is_u64() && number.abs() <= WHOLE_MAX)?;
        (number.trunc() == number).then(|| number as i64)
    })
}

macro_rules! simple {
    ($($type:ty, $what:literal, $read:expr, $write:expr;)*) => {$(
        impl Typed for $type {
            fn read(from: &Value, place: &Place<'_>) -> Result<$type, Failure> {
                let read: fn(&Value) -> Option<$type> = $read;
                read(from).ok_or_else(|| place.failure($what))
            }
            fn to_json(&self) -> Value {
                let write: fn(&$type) -> Value = $write;
                write(self)
            }
        }
    )*};
}

simple! {
    Value, "", |from| Some(from.clone()), Value::clone;
    (), "must be null", |from| from.is_null().then_some(()), |()| Value::Null;
    bool, "must be true or false", Value::as_bool, |on| Value::Bool(*on);
    i64, "must be an integer of 64 bits", integer_of, |number| Value::from(*number);
    f64, "must be a number", Value::as_f64, |number| Value::from(*number);
    String, "must be a text", |from| from.as_str().map(str::to_string), |text| Value::String(text.clone());
}

/// A value, or null.
impl<T: Typed> Typed for Option<T> {
    fn read(from: &Value, place: &Place<'_>) -> Result<Option<T>, Failure> {
        if from.is_null() {
            return Ok(None);
        }
        T::read(from, place).map(Some)
    }
    fn to_json(&self) -> Value {
        self.as_ref().map_or(Value::Null, Typed::to_json)
    }
}

impl<T: Typed> Typed for Vec<T> {
    fn read(from: &Value, place: &Place<'_>) -> Result<Vec<T>, Failure> {
        let items = from.as_array().ok_or_else(|| place.failure("must be an array"))?;
        items.iter().enumerate().map(|(index, item)| T::read(item, &place.item(index))).collect()
    }
    fn to_json(&self) -> Value {
        self.iter().map(Typed::to_json).collect()
    }
}

impl<T: Typed> Typed for BTreeMap<String, T> {
    fn read(from: &Value, place: &Place<'_>) -> Result<BTreeMap<String, T>, Failure> {
        let members = from.as_object().ok_or_else(|| place.failure("must be an object"))?;
        members.iter().map(|(name, value)| Ok((name.clone(), T::read(value, &place.member(name))?))).collect()
    }
    fn to_json(&self) -> Value {
        self.iter().map(|(name, value)| (name.clone(), value.to_json())).collect()
    }
}

/// Reads the members of an object; for `typed_object!`.
#[doc(hidden)]
pub struct MemberReader<'a> {
    from: &'a Map<String, Value>,
    place: &'a Place<'a>,
    known: Vec<&'static str>,
}

#[doc(hidden)]
impl<'a> MemberReader<'a> {
    pub fn new(from: &'a Value, place: &'a Place<'a>) -> Result<MemberReader<'a>, Failure> {
        let from = from.as_object().ok_or_else(|| place.failure("must be an object"))?;
        Ok(MemberReader { from, place, known: Vec::new() })
    }
    pub fn required<T: Typed>(&mut self, name: &'static str) -> Result<T, Failure> {
        let place = self.place.member(name);
        self.known.push(name);
        T::read(self.from.get(name).ok_or_else(|| place.failure("is missing"))?, &place)
    }
    pub fn optional<T: Typed>(&mut self, name: &'static str) -> Result<Option<T>, Failure> {
        self.known.push(name);
        self.from.get(name).map(|value| T::read(value, &self.place.member(name))).transpose()
    }
    pub fn others<T: Typed>(&mut self) -> Result<BTreeMap<String, T>, Failure> {
        let others = self.from.iter().filter(|(name, _)| !self.known.contains(&name.as_str()));
        others.map(|(name, value)| Ok((name.clone(), T::read(value, &self.place.member(name))?))).collect()
    }
    pub fn ignored(self) -> Result<(), Failure> {
        Ok(())
    }
    pub fn refused(self) -> Result<(), Failure> {
        match self.from.keys().find(|name| !self.known.contains(&name.as_str())) {
            Some(name) => Err(self.place.member(name).failure("is not known")),
            None => Ok(()),
        }
    }
}

/// Writes the members of an object; for `typed_object!`.
#[doc(hidden)]
#[derive(Default)]
pub struct MemberWriter(Map<String, Value>);

#[doc(hidden)]
impl MemberWriter {
    pub fn required<T: Typed>(&mut self, name: &str, value: &T) {
        self.0.insert(name.to_string(), value.to_json());
    }
    pub fn optional<T: Typed>(&mut self, name: &str, value: &Option<T>) {
        if let Some(value) = value {
            self.required(name, value);
        }
    }
    /// One that has the name of another member is left out.
    pub fn others<T: Typed>(&mut self, others: &BTreeMap<String, T>) {
        for (name, value) in others {
            self.0.entry(name.clone()).or_insert_with(|| value.to_json());
        }
    }
    pub fn written(self) -> Value {
        Value::Object(self.0)
    }
}

/// What a choice is in JSON: a text or an integer; for `typed_choice!`.
#[doc(hidden)]
pub trait ChoiceValue {
    fn is(&self, from: &Value) -> bool;
    fn value(&self) -> Value;
}

impl ChoiceValue for &str {
    fn is(&self, from: &Value) -> bool {
        from.as_str() == Some(self)
    }
    fn value(&self) -> Value {
        Value::String(self.to_string())
    }
}

impl ChoiceValue for i64 {
    fn is(&self, from: &Value) -> bool {
        integer_of(from) == Some(*self)
    }
    fn value(&self) -> Value {
        Value::from(*self)
    }
}

#[doc(hidden)]
pub fn read_choice<T: Copy>(from: &Value, place: &Place<'_>, all: &[(T, &dyn ChoiceValue)]) -> Result<T, Failure> {
    if let Some((choice, _)) = all.iter().find(|(_, value)| value.is(from)) {
        return Ok(*choice);
    }
    let known: Vec<String> = all.iter().map(|(_, value)| value.value().to_string()).collect();
    Err(place.failure(&format!("must be one of {}", known.join(", "))))
}

/// A struct that is an object in JSON; see [`Typed`].
#[macro_export]
macro_rules! typed_object {
    ($(#[$meta:meta])* pub struct $name:ident: $others:ident {
        $($(#[$about:meta])* $member:ident: $type:ty = $kind:ident($($json:literal)?),)*
    }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct $name {
            $($(#[$about])* pub $member: $type,)*
        }
        impl $crate::Typed for $name {
            #[allow(unused_mut)]
            fn read(
                from: &$crate::Value,
                place: &$crate::typed::Place<'_>,
            ) -> ::std::result::Result<$name, $crate::Failure> {
                let mut members = $crate::typed::MemberReader::new(from, place)?;
                $(let $member: $type = members.$kind($($json)?)?;)*
                members.$others()?;
                ::std::result::Result::Ok($name { $($member),* })
            }
            #[allow(unused_mut)]
            fn to_json(&self) -> $crate::Value {
                let mut members = $crate::typed::MemberWriter::default();
                $(members.$kind($($json,)? &self.$member);)*
                members.written()
            }
        }
    };
}

/// An enum that is one of some texts, or of some integers, in JSON; the first is the default. See [`Typed`].
#[macro_export]
macro_rules! typed_choice {
    ($(#[$meta:meta])* pub enum $name:ident { $first:ident = $first_json:expr $(, $choice:ident = $json:expr)* $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $first,
            $($choice,)*
        }
        impl ::std::default::Default for $name {
            fn default() -> $name {
                $name::$first
            }
        }
        impl $crate::Typed for $name {
            fn read(
                from: &$crate::Value,
                place: &$crate::typed::Place<'_>,
            ) -> ::std::result::Result<$name, $crate::Failure> {
                $crate::typed::read_choice(from, place, &[($name::$first, &$first_json), $(($name::$choice, &$json)),*])
            }
            fn to_json(&self) -> $crate::Value {
                match self {
                    $name::$first => $crate::typed::ChoiceValue::value(&$first_json),
                    $($name::$choice => $crate::typed::ChoiceValue::value(&$json),)*
                }
            }
        }
    };
}
