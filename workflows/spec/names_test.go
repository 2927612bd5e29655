package spec_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strconv"
	"strings"
	"testing"
)

// TestEveryErrorTypeIsExplained holds docs/errors.md complete.
func TestEveryErrorTypeIsExplained(t *testing.T) {
	text, err := os.ReadFile("../../docs/errors.md")
	if err != nil {
		t.Fatal(err)
	}
	file, err := parser.ParseFile(token.NewFileSet(), "names.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	ast.Inspect(file, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(v.Names[0].Name, "Error") {
			return true
		}
		found++
		value, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		if v.Names[0].Name != "Error"+value {
			t.Errorf("%s is called %q", v.Names[0].Name, value)
		}
		if !strings.Contains(string(text), "\n| `"+value+"` |") {
			t.Errorf("docs/errors.md does not explain %s", value)
		}
		return true
	})
	if found < 10 {
		t.Errorf("only %d error types found in names.go", found)
	}
}
