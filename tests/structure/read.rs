//! Reads Rust as the compiler finds it: from the root of each crate, module by module, with everything that is named.
//!
//! # Decisions
//! - A parser and not a search for words: a comment names nothing, and a path means the same however it is written.
//! - What a macro is given is read as well, as far as paths go: nothing hides in a `select!`.
//! - The parser's positions are a feature that would have every crate with a derive built twice. So a line is looked for in
//!   the text when there is something to say about it.
use std::collections::BTreeMap;

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemUse, Meta, UseTree};

/// The text of each file, by its name from the root of the repository.
pub(crate) type Texts = BTreeMap<String, String>;
pub(crate) type Id = usize;

#[derive(Debug)]
pub(crate) struct Module {
    pub(crate) file: String,
    pub(crate) parent: Option<Id>,
    pub(crate) root: Id,
    /// Below its crate, with `::`; empty for the crate itself.
    pub(crate) path: String,
    pub(crate) test: bool,
    pub(crate) children: BTreeMap<String, Id>,
    pub(crate) imports: BTreeMap<String, Vec<String>>,
    pub(crate) globs: Vec<Vec<String>>,
    pub(crate) items: Vec<String>,
    pub(crate) mentions: Vec<Mention>,
}

/// One thing that is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mention {
    pub(crate) what: What,
    pub(crate) test: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Path(Vec<String>),
    Method(String),
    /// In the brackets of an attribute.
    Word(String),
}

impl What {
    /// The first line of code that has these words; 1 where a macro has put them together.
    pub(crate) fn line(&self, text: &str) -> usize {
        let (whole, last) = match self {
            What::Path(segments) => (segments.join("::"), segments.last().cloned().unwrap_or_default()),
            What::Method(name) => (format!(".{name}("), name.clone()),
            What::Word(name) => (name.clone(), name.clone()),
        };
        let has = |line: &str, word: &str| !line.trim_start().starts_with("//") && line.contains(word);
        let find = |word: &str| text.lines().position(|line| has(line, word));
        find(&whole).or_else(|| find(&last)).map_or(1, |at| at + 1)
    }
}

/// All crates that are read together.
#[derive(Debug, Default)]
pub(crate) struct Code {
    pub(crate) modules: Vec<Module>,
    /// The root modules, by the crate's name where others can name it.
    pub(crate) crates: BTreeMap<String, Id>,
    /// Files that a module's declaration promises and that are not there.
    pub(crate) missing: Vec<String>,
}

impl Code {
    /// Reads the crate of that name from its root file.
    pub(crate) fn read(&mut self, texts: &Texts, name: &str, file: &str) {
        let id = self.add(file, None, "", false);
        self.crates.insert(name.to_owned(), id);
        self.file(texts, id, folder(file));
    }

    fn add(&mut self, file: &str, parent: Option<Id>, path: &str, test: bool) -> Id {
        let id = self.modules.len();
        let root = parent.map_or(id, |parent| self.modules[parent].root);
        self.modules.push(Module {
            file: file.to_owned(),
            parent,
            root,
            path: path.to_owned(),
            test,
            children: BTreeMap::new(),
            imports: BTreeMap::new(),
            globs: Vec::new(),
            items: Vec::new(),
            mentions: Vec::new(),
        });
        id
    }

    /// `dir` is where the files of its modules lie.
    fn file(&mut self, texts: &Texts, id: Id, dir: &str) {
        let name = self.modules[id].file.clone();
        let Some(text) = texts.get(&name) else {
            self.missing.push(name);
            return;
        };
        let file = syn::parse_file(text).unwrap_or_else(|e| panic!("{name}: {e}"));
        self.items(texts, id, dir, &file.items);
    }

    fn items(&mut self, texts: &Texts, id: Id, dir: &str, items: &[Item]) {
        for item in items {
            if let Some(name) = name_of(item) {
                self.modules[id].items.push(name);
            }
            let Item::Mod(module) = item else {
                let test = self.modules[id].test;
                Reader { module: &mut self.modules[id], test }.visit_item(item);
                continue;
            };
            let name = module.ident.to_string();
            let test = self.modules[id].test || is_test(&module.attrs);
            let path = match self.modules[id].path.as_str() {
                "" => name.clone(),
                above => format!("{above}::{name}"),
            };
            let below = format!("{dir}{name}/");
            if let Some((_, inner)) = &module.content {
                let file = self.modules[id].file.clone();
                let child = self.add(&file, Some(id), &path, test);
                self.modules[id].children.insert(name, child);
                self.items(texts, child, &below, inner);
            } else {
                // From the file's own folder, and what it declares lies beside it.
                let placed =
                    placed(&module.attrs).map(|at| format!("{}{at}", folder(&self.modules[id].file)));
                let (file, below) = match placed {
                    Some(file) => (file.clone(), folder(&file).to_owned()),
                    None => (format!("{dir}{name}.rs"), below),
                };
                let child = self.add(&file, Some(id), &path, test);
                self.modules[id].children.insert(name, child);
                self.file(texts, child, &below);
            }
        }
    }
}

/// With the slash.
fn folder(file: &str) -> &str {
    &file[..file.rfind('/').map_or(0, |at| at + 1)]
}

/// `#[path = "x.rs"]`
fn placed(attrs: &[Attribute]) -> Option<String> {
    attrs.iter().find_map(|attr| match &attr.meta {
        Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
            syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(path), .. }) => Some(path.value()),
            _ => None,
        },
        _ => None,
    })
}

/// What a module calls by that name; not what it imports.
fn name_of(item: &Item) -> Option<String> {
    let ident = match item {
        Item::Const(i) => &i.ident,
        Item::Enum(i) => &i.ident,
        Item::Fn(i) => &i.sig.ident,
        Item::Macro(i) => i.ident.as_ref()?,
        Item::Static(i) => &i.ident,
        Item::Struct(i) => &i.ident,
        Item::Trait(i) => &i.ident,
        Item::TraitAlias(i) => &i.ident,
        Item::Type(i) => &i.ident,
        Item::Union(i) => &i.ident,
        _ => return None,
    };
    Some(ident.to_string())
}

pub(crate) fn is_test(attrs: &[Attribute]) -> bool {
    attrs.iter().any(|attr| match &attr.meta {
        Meta::Path(path) => path.segments.last().is_some_and(|s| s.ident == "test"),
        Meta::List(list) if list.path.is_ident("cfg") => {
            let words = list.tokens.to_string();
            words.split(|c: char| !c.is_alphanumeric()).any(|w| w == "test") && !words.contains("not")
        }
        Meta::List(list) => list.path.segments.last().is_some_and(|s| s.ident == "test"),
        Meta::NameValue(_) => false,
    })
}

/// One name that a `use` brings in.
#[derive(Debug)]
pub(crate) struct Leaf {
    pub(crate) segments: Vec<String>,
    /// What it is called here; `None`: everything of that module.
    pub(crate) name: Option<String>,
}

pub(crate) fn leaves(tree: &UseTree, before: &[String], out: &mut Vec<Leaf>) {
    let with = |ident: &syn::Ident| [before, &[ident.to_string()]].concat();
    match tree {
        UseTree::Path(path) => leaves(&path.tree, &with(&path.ident), out),
        // `a::{self}` is `a`.
        UseTree::Name(name) if name.ident == "self" => {
            out.push(Leaf { segments: before.to_vec(), name: before.last().cloned() });
        }
        UseTree::Name(name) => {
            out.push(Leaf { segments: with(&name.ident), name: Some(name.ident.to_string()) })
        }
        UseTree::Rename(name) if name.ident == "self" => {
            out.push(Leaf { segments: before.to_vec(), name: Some(name.rename.to_string()) });
        }
        UseTree::Rename(name) => {
            out.push(Leaf { segments: with(&name.ident), name: Some(name.rename.to_string()) });
        }
        UseTree::Glob(_) => out.push(Leaf { segments: before.to_vec(), name: None }),
        UseTree::Group(group) => group.items.iter().for_each(|tree| leaves(tree, before, out)),
    }
}

struct Reader<'a> {
    module: &'a mut Module,
    test: bool,
}

impl Reader<'_> {
    fn mention(&mut self, what: What) {
        self.module.mentions.push(Mention { what, test: self.test });
    }

    /// Paths in what a macro or an attribute is given.
    fn tokens(&mut self, tokens: TokenStream, words: bool) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            let method = at > 0 && matches!(&tokens[at - 1], TokenTree::Punct(p) if p.as_char() == '.');
            match &tokens[at] {
                TokenTree::Ident(ident) if method => {
                    self.mention(What::Method(ident.to_string()));
                    at += 1;
                }
                TokenTree::Ident(ident) => {
                    let (path, next) = self.path(&tokens, at, &[]);
                    if path.len() > 1 {
                        self.mention(What::Path(path));
                    } else if words {
                        self.mention(What::Word(ident.to_string()));
                    }
                    at = next;
                }
                TokenTree::Group(group) => {
                    self.tokens(group.stream(), words);
                    at += 1;
                }
                // `#[serde(with = "crate::a::b")]`
                TokenTree::Literal(literal) if words => {
                    let text = literal.to_string();
                    if let Ok(path) = syn::parse_str::<syn::Path>(text.trim_matches('"')) {
                        let path: Vec<String> = path.segments.iter().map(|s| s.ident.to_string()).collect();
                        self.mention(What::Path(path));
                    }
                    at += 1;
                }
                TokenTree::Literal(_) | TokenTree::Punct(_) => at += 1,
            }
        }
    }

    /// The path that begins at `at`, and where it ends. Of `a::{b, c}` the inner ones are told at once.
    fn path(&mut self, tokens: &[TokenTree], mut at: usize, before: &[String]) -> (Vec<String>, usize) {
        let mut path = before.to_vec();
        while let Some(TokenTree::Ident(ident)) = tokens.get(at) {
            path.push(ident.to_string());
            at += 1;
            if !is_path_separator(tokens, at) {
                break;
            }
            at += 2;
        }
        if let Some(TokenTree::Group(group)) = tokens.get(at)
            && group.delimiter() == Delimiter::Brace
            && path.len() > before.len()
            && at >= 2
            && is_path_separator(tokens, at - 2)
        {
            let inner: Vec<TokenTree> = group.stream().into_iter().collect();
            let comma = |t: &TokenTree| matches!(t, TokenTree::Punct(p) if p.as_char() == ',');
            for part in inner.split(comma).filter(|part| !part.is_empty()) {
                let (inside, _) = self.path(part, 0, &path);
                self.mention(What::Path(inside));
            }
            at += 1;
        }
        (path, at)
    }
}

fn is_path_separator(tokens: &[TokenTree], at: usize) -> bool {
    let colon = |at: usize| match tokens.get(at) {
        Some(TokenTree::Punct(p)) if p.as_char() == ':' => Some(p.spacing()),
        _ => None,
    };
    colon(at) == Some(Spacing::Joint) && colon(at + 1).is_some()
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        let attrs = match item {
            Item::Const(i) => &i.attrs,
            Item::Enum(i) => &i.attrs,
            Item::Fn(i) => &i.attrs,
            Item::Impl(i) => &i.attrs,
            Item::Macro(i) => &i.attrs,
            Item::Mod(i) => &i.attrs,
            Item::Static(i) => &i.attrs,
            Item::Struct(i) => &i.attrs,
            Item::Trait(i) => &i.attrs,
            Item::Type(i) => &i.attrs,
            Item::Use(i) => &i.attrs,
            _ => return visit::visit_item(self, item),
        };
        let outside = self.test;
        self.test |= is_test(attrs);
        visit::visit_item(self, item);
        self.test = outside;
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let mut found = Vec::new();
        leaves(&item.tree, &[], &mut found);
        for leaf in found {
            self.mention(What::Path(leaf.segments.clone()));
            match leaf.name {
                // Its methods are used, its name is not.
                Some(name) if name == "_" => {}
                Some(name) => drop(self.module.imports.insert(name, leaf.segments)),
                None => self.module.globs.push(leaf.segments),
            }
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|s| s.ident.to_string()).collect();
        // A single word in small letters may be a variable; an imported one was seen where it was imported.
        if segments.len() > 1 || segments[0].starts_with(char::is_uppercase) {
            self.mention(What::Path(segments));
        }
        visit::visit_path(self, path);
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        self.mention(What::Method(call.method.to_string()));
        visit::visit_expr_method_call(self, call);
    }

    fn visit_macro(&mut self, mac: &'ast syn::Macro) {
        self.visit_path(&mac.path);
        self.tokens(mac.tokens.clone(), false);
    }

    fn visit_attribute(&mut self, attr: &'ast Attribute) {
        if let Meta::List(list) = &attr.meta {
            self.tokens(list.tokens.clone(), true);
        }
    }

    /// `pub(super)` says who may see it, and names nobody.
    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}
}
