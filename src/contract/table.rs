//! What every enum of words has.

/// A word that this version does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a word of this version")]
pub struct UnknownWord;

/// An enum with a row of words beside each variant.
///
/// Makes the enum, `ALL`, `as_str` (the column `word`), [`FromStr`](std::str::FromStr), `Display`, and a private `row`
/// that gives all columns. What a column means is said at the method that gives it.
macro_rules! table {
    (
        $(#[$doc:meta])*
        $name:ident: $row:ident {
            $($(#[$variant_doc:meta])* $variant:ident { $($column:ident: $cell:expr),* $(,)? })*
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl $name {
            /// Every one, in the order of the table.
            pub const ALL: &'static [$name] = &[$($name::$variant,)*];

            // Inlined, so that columns nobody asks for leave no trace in a program.
            #[inline(always)]
            const fn row(self) -> $row {
                match self { $($name::$variant => $row { $($column: $cell),* },)* }
            }

            /// The word itself, as it is spelled everywhere.
            pub const fn as_str(self) -> &'static str {
                self.row().word
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::table::UnknownWord;

            fn from_str(word: &str) -> Result<$name, $crate::table::UnknownWord> {
                $name::ALL.iter().copied().find(|known| known.as_str() == word).ok_or($crate::table::UnknownWord)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

pub(crate) use table;
