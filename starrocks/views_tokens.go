package starrocks

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The definitions of views are text that is read here as far as needed to say which tables and functions it names, and to
// give these other names. It is not a parser of SQL: what it does not understand it refuses, and changes nothing.

type sqlKind int

const (
	sqlWord   sqlKind = iota // a bare name or keyword
	sqlQuoted                // a name in backquotes
	sqlString                // '…' or "…"
	sqlNumber                //
	sqlSign                  // one character of anything else
)

// sqlToken is a piece of SQL text; blanks and comments lie between tokens.
type sqlToken struct {
	kind       sqlKind
	start, end int    // bytes of the text
	name       string // of names without backquotes, of signs the character
}

// keyword tells whether the token is this word, written bare.
func (t sqlToken) keyword(words ...string) bool {
	if t.kind != sqlWord {
		return false
	}
	for _, w := range words {
		if strings.EqualFold(t.name, w) {
			return true
		}
	}
	return false
}

func (t sqlToken) sign(s string) bool { return t.kind == sqlSign && t.name == s }
func (t sqlToken) isName() bool       { return t.kind == sqlWord || t.kind == sqlQuoted }

// sqlTokens cuts a text of one statement into tokens. The FE would run a second statement of the same text, so what
// stands behind a semicolon is refused, and so is a name, string or comment that does not end.
func sqlTokens(text string) ([]sqlToken, error) {
	if !utf8.ValidString(text) {
		return nil, fmt.Errorf("the text is not UTF-8: %w", ErrInvalidStatement)
	}
	var tokens []sqlToken
	for at := 0; at < len(text); {
		skip, err := sqlBlank(text[at:])
		if err != nil {
			return nil, fmt.Errorf("at byte %d: %w", at, err)
		}
		if skip > 0 {
			at += skip
			continue
		}
		t, err := sqlToken1(text[at:])
		if err != nil {
			return nil, fmt.Errorf("at byte %d: %w", at, err)
		}
		t.start, t.end = at, at+t.end
		if n := len(tokens); n > 0 && tokens[n-1].sign(";") {
			return nil, fmt.Errorf("text after the semicolon: %w", ErrInvalidStatement)
		}
		tokens = append(tokens, t)
		at = t.end
	}
	return tokens, nil
}

// sqlBlank is the length of the blanks, or of the comment, that the text begins with.
func sqlBlank(text string) (int, error) {
	r, size := utf8.DecodeRuneInString(text)
	switch {
	case unicode.IsSpace(r):
		return size, nil
	case strings.HasPrefix(text, "--"):
		n := strings.IndexByte(text, '\n')
		if n < 0 {
			n = len(text)
		}
		return n, nil
	case strings.HasPrefix(text, "/*"):
		n := strings.Index(text[2:], "*/")
		if n < 0 {
			return 0, fmt.Errorf("a comment without an end: %w", ErrInvalidStatement)
		}
		return n + 4, nil
	}
	return 0, nil
}

// sqlToken1 reads the token that the text begins with; its end is its length.
func sqlToken1(text string) (sqlToken, error) {
	r, size := utf8.DecodeRuneInString(text)
	switch {
	case r == '`':
		return sqlBackquoted(text)
	case r == '\'' || r == '"':
		return sqlLiteral(text)
	case isNameRune(r):
		end := strings.IndexFunc(text, func(r rune) bool { return !isNameRune(r) })
		if end < 0 {
			end = len(text)
		}
		if name := text[:end]; strings.ContainsFunc(name, func(r rune) bool { return r < '0' || r > '9' }) {
			return sqlToken{kind: sqlWord, end: end, name: name}, nil
		}
		return sqlToken{kind: sqlNumber, end: end + fraction(text[end:])}, nil
	}
	return sqlToken{kind: sqlSign, end: size, name: text[:size]}, nil
}

func isNameRune(r rune) bool {
	return r == '_' || r == '$' || unicode.IsLetter(r) || unicode.IsDigit(r)
}

// fraction is the length of ".5" behind the digits of a number, so that its point is not taken for that of a name.
func fraction(text string) int {
	if len(text) < 2 || text[0] != '.' || text[1] < '0' || text[1] > '9' {
		return 0
	}
	n := 1
	for n < len(text) && text[n] >= '0' && text[n] <= '9' {
		n++
	}
	return n
}

// sqlBackquoted reads a quoted name. One with a backquote inside cannot be addressed (quote.go).
func sqlBackquoted(text string) (sqlToken, error) {
	n := strings.IndexByte(text[1:], '`')
	if n < 0 || strings.HasPrefix(text[n+2:], "`") {
		return sqlToken{}, fmt.Errorf("a name without an end, or with a backquote in it: %w", ErrInvalidStatement)
	}
	return sqlToken{kind: sqlQuoted, end: n + 2, name: text[1 : n+1]}, nil
}

// sqlLiteral reads a string, which knows backslashes and doubled quotes.
func sqlLiteral(text string) (sqlToken, error) {
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == '\\':
			i++
		case text[i] == text[0] && i+1 < len(text) && text[i+1] == text[0]:
			i++
		case text[i] == text[0]:
			return sqlToken{kind: sqlString, end: i + 1}, nil
		}
	}
	return sqlToken{}, fmt.Errorf("a string without an end: %w", ErrInvalidStatement)
}

// literalText is the content of a string token, as far as names in it are concerned: escapes stay as they are.
func literalText(text string, t sqlToken) string { return text[t.start+1 : t.end-1] }
