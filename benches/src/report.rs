//! A section of the page: text and tables in Markdown, pictures in SVG beside it.

use std::fmt::Write;

/// What an experiment leaves behind.
#[derive(Debug)]
pub struct Section {
    /// The heading.
    pub title: &'static str,
    /// Markdown.
    pub text: String,
    /// File names and SVG.
    pub figures: Vec<(String, String)>,
}

/// How much is computed: what is published, or enough to see that it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// What is published.
    Full,
    /// Enough to see that it runs.
    Quick,
}

impl Effort {
    /// One of two numbers, by effort.
    pub fn pick<T>(self, full: T, quick: T) -> T {
        match self {
            Self::Full => full,
            Self::Quick => quick,
        }
    }
}

impl Section {
    /// A heading with nothing below it.
    pub fn new(title: &'static str) -> Self {
        Self { title, text: String::new(), figures: Vec::new() }
    }

    /// Text that ends with an empty line.
    pub fn paragraph(&mut self, text: &str) {
        self.text.push_str(text);
        self.text.push_str("\n\n");
    }

    /// Lines as they are typed.
    pub fn formula(&mut self, text: &str) {
        self.paragraph(&format!("```text\n{}\n```", text.trim_matches('\n')));
    }

    /// A table.
    pub fn table(&mut self, table: &Table) {
        self.paragraph(table.text.trim_end());
    }

    /// A picture, linked by its file name: who writes the page knows the folder.
    pub fn figure(&mut self, name: &str, caption: &str, svg: String) {
        self.paragraph(&format!("![{caption}]({name}.svg)"));
        self.figures.push((format!("{name}.svg"), svg));
    }
}

/// A table in Markdown.
#[derive(Debug)]
pub struct Table {
    text: String,
    n_columns: usize,
}

impl Table {
    /// Its head.
    pub fn new<S: AsRef<str>>(columns: &[S]) -> Self {
        let mut table = Self { text: String::new(), n_columns: columns.len() };
        table.row(columns);
        table.row(&vec!["---"; columns.len()]);
        table
    }

    /// A further row.
    ///
    /// # Panics
    /// If there is not one cell a column.
    pub fn row<S: AsRef<str>>(&mut self, cells: &[S]) {
        assert_eq!(cells.len(), self.n_columns, "one cell a column");
        for cell in cells {
            self.text.push_str("| ");
            self.text.push_str(cell.as_ref());
            self.text.push(' ');
        }
        self.text.push_str("|\n");
    }
}

/// Three digits, as people write them.
pub fn short(x: f64) -> String {
    if x.is_nan() {
        return "–".to_owned();
    }
    if x.is_infinite() {
        return if x > 0.0 { "∞" } else { "−∞" }.to_owned();
    }
    let size = x.abs();
    let text = match size {
        0.0 => "0".to_owned(),
        _ if !(1e-3..1e6).contains(&size) => format!("{x:.1e}"),
        _ if size < 0.01 => format!("{x:.5}"),
        _ if size < 0.1 => format!("{x:.4}"),
        _ if size < 1.0 => format!("{x:.3}"),
        _ if size < 10.0 => format!("{x:.2}"),
        _ if size < 100.0 => format!("{x:.1}"),
        _ => format!("{x:.0}"),
    };
    text.replace('-', "−").replace("e−", "e-")
}

/// A list in words.
pub fn listed<S: AsRef<str>>(items: &[S]) -> String {
    let mut text = String::new();
    for (at, item) in items.iter().enumerate() {
        let between = match at {
            0 => "",
            _ if at + 1 == items.len() => " and ",
            _ => ", ",
        };
        // Writing to a string cannot fail.
        let _ = write!(text, "{between}{}", item.as_ref());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits() {
        let written = [0.0, 1.2345e-7, 0.001_234_5, 0.12345, -1.2345, 12.345, 123_456.7, 1e9];
        let expected = ["0", "1.2e-7", "0.00123", "0.123", "−1.23", "12.3", "123457", "1.0e9"];
        assert_eq!(written.map(short), expected);
        assert_eq!(short(f64::INFINITY), "∞");
        assert_eq!(listed(&["a", "b", "c"]), "a, b and c");
    }

    #[test]
    fn tables_and_pictures_are_markdown() {
        let mut table = Table::new(&["n", "sub"]);
        table.row(&["1", "2"]);
        let mut section = Section::new("Title");
        section.table(&table);
        section.figure("rate", "what it shows", "<svg/>".to_owned());
        assert_eq!(
            section.text,
            "| n | sub |\n| --- | --- |\n| 1 | 2 |\n\n![what it shows](rate.svg)\n\n"
        );
        assert_eq!(section.figures[0].0, "rate.svg");
    }
}
