package sqlparse

import (
	"strings"
	"unicode/utf8"
)

type tokenKind int

const (
	tokEOF tokenKind = iota
	tokWord
	tokBackquoted
	tokString
	tokNumber  // digits
	tokDecimal // 1.5, .1, 1e3
	tokOp
)

// token is one token; text is the unquoted value, raw the source.
type token struct {
	kind       tokenKind
	text, raw  string
	upper      string // of words
	start, end int    // byte offsets
	pos        Pos
}

// source is how the FE prints the token.
func (t token) source() string {
	if t.kind == tokEOF {
		return "<EOF>"
	}
	return t.raw
}

type lexer struct {
	src  string
	at   int
	line int
	col  int
}

// advance moves n bytes on, counting lines and code points.
func (l *lexer) advance(n int) {
	for _, r := range l.src[l.at : l.at+n] {
		if r == '\n' {
			l.line++
			l.col = 0
			continue
		}
		l.col++
	}
	l.at += n
}

// lex cuts sql into tokens, the last one is tokEOF.
func lex(sql string) ([]token, error) {
	l := &lexer{src: sql, line: 1}
	var out []token
	for {
		l.skip()
		t := token{start: l.at, pos: Pos{l.line, l.col}}
		if l.at >= len(sql) {
			t.end = l.at
			return append(out, t), nil
		}
		n := l.scan(&t)
		if n == 0 {
			t.kind, t.raw = tokOp, string(firstRune(sql[l.at:]))
			return nil, unexpected(t, legalIdentifier)
		}
		t.raw = sql[l.at : l.at+n]
		t.end = l.at + n
		if t.kind == tokWord {
			t.text = t.raw
			t.upper = strings.ToUpper(t.raw)
		}
		l.advance(n)
		out = append(out, t)
	}
}

// skip passes blanks and comments; /*+ hints */ count as comments too.
func (l *lexer) skip() {
	for l.at < len(l.src) {
		rest := l.src[l.at:]
		switch {
		case strings.ContainsRune(" \t\r\n\u3000", firstRune(rest)):
			l.advance(utf8.RuneLen(firstRune(rest)))
		case strings.HasPrefix(rest, "--"):
			n := strings.IndexByte(rest, '\n')
			if n < 0 {
				n = len(rest)
			}
			l.advance(n)
		case strings.HasPrefix(rest, "/*"):
			n := strings.Index(rest[2:], "*/")
			if n < 0 {
				return
			}
			l.advance(n + 4)
		default:
			return
		}
	}
}

func firstRune(s string) rune {
	r, _ := utf8.DecodeRuneInString(s)
	return r
}

// scan recognises the token at l.at, fills kind and text, and returns its length; 0: not a token.
func (l *lexer) scan(t *token) int {
	rest := l.src[l.at:]
	c := rest[0]
	switch {
	case c == '`':
		return scanBackquoted(rest, t)
	case c == '\'' || c == '"':
		return scanString(rest, t)
	case strings.HasPrefix(rest, "$$"):
		return scanCode(rest, t)
	case isDigit(c), c == '.' && isFraction(rest[1:]):
		return scanNumber(rest, t)
	case isLetter(c):
		n := 1
		for n < len(rest) && (isLetter(rest[n]) || isDigit(rest[n])) {
			n++
		}
		t.kind = tokWord
		return n
	}
	t.kind = tokOp
	for _, op := range []string{"<=>", "<=", ">=", "!=", "<>", "||", "&&", "@@", ":="} {
		if strings.HasPrefix(rest, op) {
			return len(op)
		}
	}
	if strings.IndexByte("(),.;=<>+-*/%!@?[]{}&|^~:", c) >= 0 {
		return 1
	}
	return 0
}

// scanBackquoted strips every backquote of the name, as the FE does (measured, 04: `q“q` is qq).
func scanBackquoted(s string, t *token) int {
	for i := 1; i < len(s); i++ {
		if s[i] != '`' {
			continue
		}
		if i+1 < len(s) && s[i+1] == '`' {
			i++
			continue
		}
		t.kind = tokBackquoted
		t.text = strings.ReplaceAll(s[:i+1], "`", "")
		return i + 1
	}
	return 0
}

var escapes = map[byte]string{'n': "\n", 't': "\t", 'r': "\r", 'b': "\b", '0': "\x00", 'Z': "\x1a", '%': `\%`, '_': `\_`}

func scanString(s string, t *token) int {
	q := s[0]
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i++
			if e, ok := escapes[s[i]]; ok {
				b.WriteString(e)
				continue
			}
			b.WriteByte(s[i])
		case s[i] == q && i+1 < len(s) && s[i+1] == q:
			i++
			b.WriteByte(q)
		case s[i] == q:
			t.kind = tokString
			t.text = b.String()
			return i + 1
		default:
			b.WriteByte(s[i])
		}
	}
	return 0
}

// scanCode reads $$…$$, the code of a function.
func scanCode(s string, t *token) int {
	n := strings.Index(s[2:], "$$")
	if n < 0 {
		return 0
	}
	t.kind, t.text = tokString, s[2:n+2]
	return n + 4
}

// scanNumber reads 12, 1.5, .1, 1e3; digits with letters behind are an identifier (1x).
func scanNumber(s string, t *token) int {
	n, dot := 0, false
	for n < len(s) && (isDigit(s[n]) || s[n] == '.' && !dot) {
		dot = dot || s[n] == '.'
		n++
	}
	t.kind = tokNumber
	if dot {
		t.kind = tokDecimal
	}
	if m := exponent(s[n:]); m > 0 {
		t.kind = tokDecimal
		n += m
	}
	if t.kind == tokNumber && n < len(s) && isLetter(s[n]) {
		t.kind = tokWord
		for n < len(s) && (isLetter(s[n]) || isDigit(s[n])) {
			n++
		}
	}
	t.text = s[:n]
	return n
}

// isFraction tells whether s, behind a dot, is the rest of a number and not a name (g.1 is not a name, g.1a is).
func isFraction(s string) bool {
	n := 0
	for n < len(s) && isDigit(s[n]) {
		n++
	}
	return n > 0 && (n == len(s) || !isLetter(s[n]) || exponent(s[n:]) > 0)
}

// exponent is the length of e[+-]digits at the start of s, 0 if there is none.
func exponent(s string) int {
	if len(s) < 2 || s[0]|0x20 != 'e' {
		return 0
	}
	n := 1
	if s[n] == '+' || s[n] == '-' {
		n++
	}
	digits := n
	for n < len(s) && isDigit(s[n]) {
		n++
	}
	if n == digits || n < len(s) && isLetter(s[n]) {
		return 0
	}
	return n
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isLetter(c byte) bool {
	return c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z' || c >= 0x80
}

// reserved words cannot be names without backquotes.
var reserved = func() map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(`
		ADD ALL ALTER ANALYZE AND ARRAY AS ASC BETWEEN BIGINT BITMAP BOTH BY CASE CHAR CHARACTER CHECK COLLATE COLUMN
		COMPACTION CONVERT CREATE CROSS CUBE CURRENT_DATE CURRENT_ROLE CURRENT_TIME CURRENT_TIMESTAMP CURRENT_USER
		DATABASE DATABASES DECIMAL DECIMALV2 DECIMAL32 DECIMAL64 DECIMAL128 DEFAULT DEFERRED DELETE DENSE_RANK DESC
		DESCRIBE DISTINCT DOUBLE DROP DUAL ELSE EXCEPT EXISTS EXPLAIN FALSE FIRST_VALUE FLOAT FOR FORCE FROM FULL FUNCTION
		GRANT GROUP GROUPING GROUPING_ID GROUPS HAVING HLL HOST IF IGNORE IMMEDIATE IN INDEX INFILE INNER INSERT INT
		INTEGER INTERSECT INTO IS JOIN JSON KEY KEYS KILL LAG LARGEINT LAST_VALUE LATERAL LEAD LEFT LIKE LIMIT LOAD
		LOCALTIME LOCALTIMESTAMP MAXVALUE MINUS MOD NTILE NOT NULL ON OR ORDER OUTER OUTFILE OVER PARTITION PERCENTILE
		PRIMARY PROCEDURE QUALIFY RANGE RANK READ REGEXP RELEASE RENAME REPLACE REVOKE RIGHT RLIKE ROW ROWS ROW_NUMBER
		SCHEMA SCHEMAS SELECT SET SET_VAR SHOW SMALLINT SYSTEM TABLE TERMINATED TEXT THEN TINYINT TO TRUE UNION UNIQUE
		UNSIGNED UPDATE USE USING VALUES VARCHAR WHEN WHERE WITH`) {
		m[w] = true
	}
	return m
}()
