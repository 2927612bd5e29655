package starrocks

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Quoting is a security boundary: the FE runs every statement of a text, also when the client asked for one (measured D).
//
// Inside backquotes the FE's lexer takes everything up to the next backquote that is not doubled, without escapes, and
// then strips all backquotes from the name (measured A 1.1): a name with a backquote cannot be addressed at all.
// Literals know backslash escapes and doubled quotes (facts §1.1).

// maxNameBytes bounds names; StarRocks' own limit is 1024 characters.
const maxNameBytes = 4096

var (
	labelForm      = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)
	repositoryForm = regexp.MustCompile(`^(?:[a-zA-Z][a-zA-Z0-9_]{0,63}|_[a-zA-Z0-9][a-zA-Z0-9_]{0,62})$`)
	timestampForm  = regexp.MustCompile(`^\d{4}(?:-\d{2}){5}-\d{3}$`)
)

// CheckName says whether a database, table, partition, user or role name can be put into a statement; if not, the error
// is ErrInvalidName and says why.
func CheckName(what, name string) error {
	switch {
	case name == "":
		return fmt.Errorf("%s name is empty: %w", what, ErrInvalidName)
	case len(name) > maxNameBytes:
		return fmt.Errorf("%s name is %d bytes long: %w", what, len(name), ErrInvalidName)
	case !utf8.ValidString(name):
		return fmt.Errorf("%s name %q is not UTF-8: %w", what, name, ErrInvalidName)
	}
	for _, r := range name {
		if r == '`' || r == '\\' || r == unicode.ReplacementChar || unicode.IsControl(r) {
			return fmt.Errorf("%s name %q holds %q: %w", what, name, r, ErrInvalidName)
		}
	}
	return nil
}

// CheckLabel says whether a snapshot label is safe: labels are not validated by StarRocks and become paths and globs
// (rule 3, measured C 51).
func CheckLabel(label string) error {
	if !labelForm.MatchString(label) {
		return fmt.Errorf("label %q: only letters, digits, _ and - are safe, at most 128: %w", label, ErrInvalidName)
	}
	return nil
}

// CheckRepository says whether StarRocks takes a repository of this name (facts §1.4).
func CheckRepository(name string) error {
	if !repositoryForm.MatchString(name) {
		return fmt.Errorf("repository name %q: a letter, then letters, digits and _, at most 64: %w", name, ErrInvalidName)
	}
	return nil
}

// CheckTimestamp says whether a backup_timestamp is complete: StarRocks takes it as a glob (rule 6).
func CheckTimestamp(timestamp string) error {
	if !timestampForm.MatchString(timestamp) {
		return fmt.Errorf("backup timestamp %q is not like 2026-11-22-16-48-56-487: %w", timestamp, ErrInvalidName)
	}
	return nil
}

// identifier puts a checked name into backquotes.
func identifier(what, name string) (string, error) {
	if err := CheckName(what, name); err != nil {
		return "", err
	}
	return "`" + name + "`", nil
}

// qualified is `database`.`name`.
func qualified(database, what, name string) (string, error) {
	d, err := identifier("database", database)
	if err != nil {
		return "", err
	}
	n, err := identifier(what, name)
	if err != nil {
		return "", err
	}
	return d + "." + n, nil
}

// identifiers is `a`, `b`.
func identifiers(what string, names []string) (string, error) {
	quoted := make([]string, len(names))
	for i, name := range names {
		q, err := identifier(what, name)
		if err != nil {
			return "", err
		}
		quoted[i] = q
	}
	return strings.Join(quoted, ", "), nil
}

// nameLiteral is a checked name as a string literal.
func nameLiteral(what, name string) (string, error) {
	if err := CheckName(what, name); err != nil {
		return "", err
	}
	return "'" + strings.ReplaceAll(name, "'", "''") + "'", nil
}

var stringEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// stringLiteral is any value as a double-quoted literal. Control characters are refused: nothing needs them.
func stringLiteral(what, value string) (string, error) {
	if !utf8.ValidString(value) || strings.ContainsFunc(value, unicode.IsControl) {
		return "", fmt.Errorf("%s holds control characters or is not UTF-8: %w", what, ErrInvalidName)
	}
	return `"` + stringEscapes.Replace(value) + `"`, nil
}

// databaseForm is what CREATE DATABASE takes. RESTORE creates databases of any name (measured A 2.4), which nobody can
// address by CREATE DATABASE again.
var databaseForm = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_-]{0,255}$`)

// CheckNewDatabase says whether StarRocks creates a database of this name.
func CheckNewDatabase(name string) error {
	if !databaseForm.MatchString(name) {
		return fmt.Errorf("database name %q: CREATE DATABASE takes a letter or _, then letters, digits, _ and -, at most 256: %w", name, ErrInvalidName)
	}
	return nil
}
