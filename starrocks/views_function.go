package starrocks

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Function is a user-defined function, from SHOW FULL FUNCTIONS.
type Function struct {
	Signature  string            // "plus1(INT)"
	Returns    string            // "INT"
	Type       string            // "Scalar", "Aggregate", "Table"
	Properties map[string]string // symbol, file, type, md5; fid is left out, it is new with each creation
}

// Name is the signature without the arguments.
func (f Function) Name() string {
	name, _, _ := strings.Cut(f.Signature, "(")
	return name
}

// Inline tells that the function's code is part of its CREATE FUNCTION. StarRocks shows it nowhere (measured C 43).
func (f Function) Inline() bool { return strings.EqualFold(f.Properties["file"], "inline") }

// Same tells whether two functions do the same, as far as StarRocks shows it.
func (f Function) Same(g Function) bool {
	if f.Signature != g.Signature || f.Returns != g.Returns || f.Type != g.Type {
		return false
	}
	for _, key := range []string{"symbol", "file", "type", "md5"} {
		if f.Properties[key] != g.Properties[key] {
			return false
		}
	}
	return true
}

func functionOf(r row) Function {
	f := Function{Signature: r.text("Signature"), Returns: r.text("Return Type"), Type: r.text("Function Type"), Properties: propertiesOf(r.text("Properties"))}
	delete(f.Properties, "fid")
	return f
}

// functionTypes are the types that SHOW prints and the ones that CREATE FUNCTION wants (measured A 03c, C 43).
var functionTypes = map[string]string{"SRJAR": "StarrocksJar", "PYTHON": "Python"}

// SQL is the CREATE FUNCTION statement in a database, or CREATE GLOBAL FUNCTION without one. With md5 among its
// properties, StarRocks refuses a file that has changed since. ErrInvalidStatement says why there is none.
func (f Function) SQL(database string) (string, error) {
	if f.Inline() {
		return "", fmt.Errorf("the code of %s is inline, and StarRocks does not show it: %w", f.Signature, ErrInvalidStatement)
	}
	head, err := f.head()
	if err != nil {
		return "", err
	}
	global := "GLOBAL "
	name := f.Name()
	if database != "" {
		global = ""
		name, err = qualified(database, "function", name)
	} else {
		name, err = identifier("function", name)
	}
	if err != nil {
		return "", err
	}
	arguments, returns := f.Signature[strings.Index(f.Signature, "("):], f.Returns
	if err := plainTypes(arguments + returns); err != nil {
		return "", fmt.Errorf("function %s: %w", f.Signature, err)
	}
	properties, err := f.properties()
	if err != nil {
		return "", err
	}
	return "CREATE " + global + head + "FUNCTION " + name + sizedTypes(arguments) + " RETURNS " + sizedTypes(returns) + " PROPERTIES (" + properties + ")", nil
}

func (f Function) head() (string, error) {
	if !strings.Contains(f.Signature, "(") || !strings.HasSuffix(f.Signature, ")") {
		return "", fmt.Errorf("function signature %q: %w", f.Signature, ErrInvalidStatement)
	}
	switch strings.ToUpper(f.Type) {
	case "SCALAR":
		return "", nil
	case "AGGREGATE":
		return "AGGREGATE ", nil
	case "TABLE":
		return "TABLE ", nil
	}
	return "", fmt.Errorf("%s is a function of type %q, which nothing is known of: %w", f.Signature, f.Type, ErrInvalidStatement)
}

func (f Function) properties() (string, error) {
	kind, ok := functionTypes[strings.ToUpper(f.Properties["type"])]
	if !ok {
		return "", fmt.Errorf("%s has the type %q, which nothing is known of: %w", f.Signature, f.Properties["type"], ErrInvalidStatement)
	}
	list := map[string]string{"type": kind}
	for _, key := range []string{"symbol", "file", "md5"} {
		if f.Properties[key] != "" {
			list[key] = f.Properties[key]
		}
	}
	return propertyList(list)
}

// plainTypes refuses what is no list of types.
func plainTypes(text string) error {
	if i := strings.IndexFunc(text, func(r rune) bool { return !isNameRune(r) && !strings.ContainsRune("(),.<> ", r) }); i >= 0 {
		return fmt.Errorf("the type list %q: %w", text, ErrInvalidStatement)
	}
	return nil
}

// sizedTypes writes VARCHAR without a length as STRING: SHOW prints VARCHAR for both (measured C 43), and CREATE FUNCTION
// would take the former for VARCHAR(1).
func sizedTypes(text string) string {
	tokens, err := sqlTokens(text)
	if err != nil {
		return text
	}
	var b strings.Builder
	at := 0
	for i, t := range tokens {
		if t.keyword("VARCHAR") && (i+1 == len(tokens) || !tokens[i+1].sign("(")) {
			b.WriteString(text[at:t.start] + "STRING")
			at = t.end
		}
	}
	return b.String() + text[at:]
}

// queryIDs reads the ids of the queries of a materialized view's last refresh out of extra_message.
func queryIDs(extra string) []string {
	var message struct {
		QueryIDs []string `json:"queryIds"`
	}
	_ = json.Unmarshal([]byte(extra), &message)
	return message.QueryIDs
}
