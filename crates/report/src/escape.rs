//! Text made safe for each format it is written into.

/// For XML and HTML, text and attribute values alike.
///
/// Control characters that XML 1.0 forbids (section 2.2) become U+FFFD: one of them in a name would make
/// the whole document unreadable.
pub(crate) fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\'' => out += "&#39;",
            '\t' | '\n' | '\r' => out.push(c),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            _ => out.push(c),
        }
    }
    out
}

/// One field of CSV (RFC 4180): quoted where it must be.
pub(crate) fn csv(field: &str) -> String {
    let outer_space = field.starts_with(' ') || field.ends_with(' ');
    if outer_space || field.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

/// A line of CSV, with its line break.
pub(crate) fn csv_line<S: AsRef<str>>(fields: &[S]) -> String {
    let fields: Vec<String> = fields.iter().map(|field| csv(field.as_ref())).collect();
    format!("{}\r\n", fields.join(","))
}

/// For LaTeX text mode. What is not ASCII stays as it is: the document's engine or `inputenc` sets it.
pub(crate) fn latex(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out += "\\textbackslash{}",
            '~' => out += "\\textasciitilde{}",
            '^' => out += "\\textasciicircum{}",
            '<' => out += "\\textless{}",
            '>' => out += "\\textgreater{}",
            '|' => out += "\\textbar{}",
            // `\textquotedbl` is not in every font encoding.
            '"' => out += "{\\char34}",
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => {
                out.push('\\');
                out.push(c);
            }
            // `[` after `\\` and `*` after `\\` would be read as arguments of the line break.
            '[' => out += "{[}",
            ']' => out += "{]}",
            '*' => out += "{*}",
            '\n' | '\r' | '\t' => out.push(' '),
            _ => out.push(c),
        }
    }
    out
}

/// For a cell of a Markdown table (GitHub's dialect): nothing in it is markup, and it stays one cell.
pub(crate) fn markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '#' | '!' | '$' => {
                out.push('\\');
                out.push(c);
            }
            '\n' | '\r' | '\t' => out.push(' '),
            _ => out.push(c),
        }
    }
    out
}

/// On one line of a terminal: control characters would move the cursor, so they become spaces.
pub(crate) fn terminal(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// The data part of a `data:` address (RFC 2397), every byte outside RFC 3986's unreserved set encoded.
pub(crate) fn data_url(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
