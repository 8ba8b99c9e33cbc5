//! The reader itself, on small trees.
use crate::graph::circles;
use crate::read::{Code, Texts, What};

fn tree(files: &[(&str, &str)]) -> Code {
    let texts: Texts = files.iter().map(|(name, text)| (format!("{name}.rs"), (*text).to_owned())).collect();
    let mut code = Code::default();
    code.read(&texts, "rigpost_one", "one/lib.rs");
    if texts.contains_key("two/lib.rs") {
        code.read(&texts, "rigpost_two", "two/lib.rs");
    }
    assert_eq!(code.missing, Vec::<String>::new());
    code
}

/// Which files the file `one/a/b.rs` needs, when this is in it.
fn needs(text: &str) -> Vec<String> {
    let code = tree(&[
        ("one/lib", "pub mod a; pub mod c;"),
        ("one/a", "pub mod b; pub mod d; mod e; pub use d::D; pub use crate::c::*; pub struct A;"),
        ("one/a/b", text),
        ("one/a/d", "pub struct D; pub fn f() {}"),
        ("one/a/e", "pub struct E;"),
        ("one/c", "pub struct C; pub enum K { One } pub mod inner { pub struct I; pub mod deep; }"),
        ("one/c/inner/deep", "pub struct P; pub use crate::a::D as Passed;"),
        ("two/lib", "pub use rigpost_one::c::C as Other; pub mod t;"),
        ("two/t", "pub struct T;"),
    ]);
    let edges = code.edges().into_iter().filter(|edge| edge.from == "one/a/b.rs" && !edge.test);
    edges.map(|edge| edge.to.trim_end_matches(".rs").trim_start_matches("one/").to_owned()).collect()
}

#[test]
fn a_path_leads_to_the_file_that_has_the_name() {
    assert_eq!(needs("use crate::c::C;"), ["c"]);
    assert_eq!(needs("use super::d::D;"), ["a/d"]);
    assert_eq!(needs("use super::A;"), ["a"]);
    assert_eq!(needs("use super::super::c::C;"), ["c"]);
    assert_eq!(needs("use super::super::a::e::E;"), ["a/e"]);
    assert_eq!(needs("use crate::a::d;"), ["a/d"]);
    assert_eq!(needs("use self::x::X; mod x { pub struct X; }"), [""; 0]);
    assert_eq!(needs("mod x { use super::super::super::c::C; }"), ["c"], "out of an inline module");
    assert_eq!(needs("use crate::c::inner::I;"), ["c"], "an inline module is of its file");
    assert_eq!(needs("use crate::c::inner::deep::P;"), ["c/inner/deep"]);
    assert_eq!(needs("use crate::{a::{d::D, e::{self, E}}, c};"), ["a/d", "a/e", "c"]);
    assert_eq!(needs("use rigpost_two::t::T;"), ["two/t"]);
    assert_eq!(needs("use crate::c::K::One;"), ["c"]);
}

#[test]
fn whoever_passes_a_name_on_is_needed_too() {
    assert_eq!(needs("use super::D;"), ["a", "a/d"]);
    assert_eq!(needs("use crate::a::C;"), ["a", "c"], "passed on with all the others");
    assert_eq!(needs("use crate::c::inner::deep::Passed;"), ["a", "a/d", "c/inner/deep"], "twice");
    assert_eq!(needs("use rigpost_two::Other;"), ["c", "two/lib"]);
    assert_eq!(needs("use super::*; fn f(_: D) {}"), ["a", "a/d"]);
}

#[test]
fn paths_count_wherever_they_stand() {
    assert_eq!(needs("fn f() { crate::a::d::f() }"), ["a/d"]);
    assert_eq!(needs("use super::d; fn f() { d::f() }"), ["a/d"]);
    assert_eq!(needs("fn f() { use crate::c::C; }"), ["c"], "within a function");
    assert_eq!(needs("impl super::A { fn f(&self, c: crate::c::C) {} }"), ["a", "c"]);
    assert_eq!(needs("fn f() { select! { x = super::d::f() => {} } }"), ["a/d"], "in what a macro is given");
    assert_eq!(needs("macro_rules! m { () => { use $crate::{a::d, c::C}; } }"), ["a/d", "c"]);
    assert_eq!(needs("struct S { #[serde(with = \"crate::c::K\")] x: u8 }"), ["c"], "in an attribute");
    assert_eq!(needs("fn f<T: super::d::D>() -> Box<dyn crate::c::C> {}"), ["a/d", "c"]);
    // What names nobody.
    assert_eq!(
        needs("// crate::c::C\n/// [`crate::c::C`]\npub(super) struct S; pub(in crate::a) struct T;"),
        [""; 0]
    );
    assert_eq!(needs("const T: &str = \"crate::c::C\";"), [""; 0]);
}

#[test]
fn tests_are_told_from_code() {
    assert_eq!(needs("#[cfg(test)] mod tests { use crate::c::C; }"), [""; 0]);
    assert_eq!(needs("#[cfg(test)] use crate::c::C;"), [""; 0]);
    assert_eq!(needs("#[test] fn f() { crate::c::C }"), [""; 0]);
    assert_eq!(needs("#[tokio::test(start_paused = true)] async fn f() { crate::c::C }"), [""; 0]);
    assert_eq!(needs("#[cfg(not(test))] use crate::c::C;"), ["c"]);
    let code = tree(&[
        ("one/lib", "#[cfg(test)] mod tests; mod a;"),
        ("one/tests", "use crate::a::A;"),
        ("one/a", "struct A;"),
    ]);
    assert_eq!(code.edges().iter().map(|edge| edge.test).collect::<Vec<_>>(), [true]);
}

#[test]
fn names_of_other_crates_keep_their_whole_path() {
    let code = tree(&[(
        "one/lib",
        "use std::time::SystemTime as S; use glob::glob; use tokio::time;\nfn f() { S::now(); glob::Pattern::new(); time::sleep(x); x.expose(); }",
    )]);
    let foreign: Vec<String> =
        code.named().filter_map(|(_, _, meaning)| meaning.foreign).map(|path| path.join("::")).collect();
    assert!(foreign.contains(&"std::time::SystemTime::now".to_owned()), "{foreign:?}");
    assert!(foreign.contains(&"tokio::time::sleep".to_owned()), "{foreign:?}");
    let method = What::Method("expose".to_owned());
    assert!(code.named().any(|(_, mention, _)| mention.what == method));
    assert_eq!(method.line("// x.expose()\nlet expose;\nx.expose();"), 3);
}

#[test]
fn a_module_may_be_elsewhere() {
    let code = tree(&[
        ("one/lib", "#[path = \"far/x.rs\"] mod here; mod a;"),
        ("one/far/x", "mod y;"),
        ("one/far/y", "use crate::a::A;"),
        ("one/a", "struct A;"),
    ]);
    assert_eq!(code.edges().iter().map(|edge| edge.from.as_str()).collect::<Vec<_>>(), ["one/far/y.rs"]);
}

#[test]
fn circles_are_found_and_nothing_else_is() {
    let circle = |edges: &[(&'static str, &'static str)]| circles(edges.iter().copied());
    assert_eq!(circle(&[("a", "b"), ("b", "c"), ("a", "c")]), Vec::<Vec<&str>>::new());
    assert_eq!(circle(&[("a", "b"), ("b", "a"), ("b", "c")]), [["a", "b"]]);
    assert_eq!(
        circle(&[("a", "b"), ("b", "c"), ("c", "a"), ("x", "y"), ("y", "x"), ("c", "x")]),
        [vec!["a", "b", "c"], vec!["x", "y"]]
    );
}
