//! Commands as a user types them into a shell.

/// The words as one line that a POSIX shell reads back as these words.
pub fn line<Word: AsRef<str>>(words: impl IntoIterator<Item = Word>) -> String {
    let quoted: Vec<String> = words
        .into_iter()
        .map(|word| quoted(word.as_ref()))
        .collect();
    quoted.join(" ")
}

/// A word that a shell leaves alone, in quotes where it needs them.
pub fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// This program as it was called.
pub fn this_program() -> String {
    let called = std::env::args_os()
        .next()
        .unwrap_or_else(|| "trainer".into());
    called.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_shell_reads_back_what_was_quoted() {
        let words = [
            "plain/path-1.5_x",
            "it's",
            "a b",
            "$x `y` \"z\"",
            "e={ kind = \"nope\" }",
            "*",
            "~",
            "",
            "two\nlines",
            "é",
        ];
        let script = format!("printf '%s\\0' {}", line(words));
        let printed = Command::new("sh").args(["-c", &script]).output();
        let printed = printed.expect("sh").stdout;
        let read: Vec<&str> = std::str::from_utf8(&printed)
            .expect("UTF-8")
            .split_terminator('\0')
            .collect();
        assert_eq!(read, words);
        assert_eq!(quoted("plain/path-1.5_x"), "plain/path-1.5_x");
    }
}
