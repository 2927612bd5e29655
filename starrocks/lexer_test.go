package starrocks

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// token is what an FE's lexer makes of a piece of a statement. It is written from StarRocks.g4 alone and shares nothing
// with quote.go.
type token struct {
	kind string // "word", "name", "text", "sign"
	text string // names and texts: what the FE takes them for
}

// tokenize mimics the FE's lexer; an error where that would find none.
func tokenize(sql string) ([]token, error) {
	var tokens []token
	for i := 0; i < len(sql); {
		c := sql[i]
		switch {
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			i++
		case strings.HasPrefix(sql[i:], "--"): // up to the end of the line
			n := strings.IndexByte(sql[i:], '\n')
			if n < 0 {
				return tokens, nil
			}
			i += n
		case strings.HasPrefix(sql[i:], "/*"):
			n := strings.Index(sql[i+2:], "*/")
			if n < 0 {
				return nil, fmt.Errorf("comment without an end")
			}
			i += n + 4
		case c == '`':
			end := backquoted(sql, i)
			if end < 0 {
				return nil, fmt.Errorf("name without an end")
			}
			tokens = append(tokens, token{"name", strings.ReplaceAll(sql[i:end], "`", "")}) // the FE strips all of them
			i = end
		case c == '\'' || c == '"':
			text, end := quoted(sql, i)
			if end < 0 {
				return nil, fmt.Errorf("literal without an end")
			}
			tokens = append(tokens, token{"text", text})
			i = end
		case isWord(c):
			end := i
			for end < len(sql) && isWord(sql[end]) {
				end++
			}
			tokens = append(tokens, token{"word", sql[i:end]})
			i = end
		default:
			_, size := utf8.DecodeRuneInString(sql[i:])
			tokens = append(tokens, token{"sign", sql[i : i+size]})
			i += size
		}
	}
	return tokens, nil
}

func isWord(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// backquoted: '`' ( ~'`' | '“' )* '`'
func backquoted(sql string, i int) int {
	for i++; i < len(sql); i++ {
		if sql[i] != '`' {
			continue
		}
		if i+1 < len(sql) && sql[i+1] == '`' {
			i++
			continue
		}
		return i + 1
	}
	return -1
}

// quoted: "'" ( '\\'. | "”" | ~["'" '\\'] )* "'", and what AstBuilder's escapeBackSlash makes of it.
func quoted(sql string, i int) (string, int) {
	quote := sql[i]
	var b strings.Builder
	for i++; i < len(sql); i++ {
		switch {
		case sql[i] == '\\' && i+1 < len(sql):
			i++
			b.WriteString(unescape(sql[i]))
		case sql[i] == '\\':
			return "", -1
		case sql[i] == quote && i+1 < len(sql) && sql[i+1] == quote:
			b.WriteByte(quote)
			i++
		case sql[i] == quote:
			return b.String(), i + 1
		default:
			b.WriteByte(sql[i])
		}
	}
	return "", -1
}

func unescape(c byte) string {
	switch c {
	case 'n':
		return "\n"
	case 't':
		return "\t"
	case 'r':
		return "\r"
	case 'b':
		return "\b"
	case '0':
		return "\x00"
	case 'Z':
		return "\x1a"
	case '%', '_':
		return `\` + string(c)
	}
	return string(c)
}
