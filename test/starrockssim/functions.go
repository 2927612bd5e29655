package starrockssim

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"starkeep/test/starrockssim/mysqlwire"
	"starkeep/test/starrockssim/sqlparse"
)

// function is a user-defined function. What it does is not known here: views that call it cannot be computed.
type function struct {
	fid        int64
	name, args string // "plus1", "INT, VARCHAR"
	returns    string
	kind       string // "Scalar", "Aggregate", "Table"
	symbol     string
	file       string
	binary     string // as shown: "SRJAR", "PYTHON"
	md5        string
}

func (f *function) signature() string { return f.name + "(" + f.args + ")" }

var functionBinaries = map[string]string{"STARROCKSJAR": "SRJAR", "PYTHON": "PYTHON"}

func (c *Cluster) createFunction(s *session, st *sqlparse.CreateFunction) error {
	f := &function{name: strings.ToLower(st.Name.Name), args: functionTypeList(st.Arguments), returns: functionTypes(st.Returns), kind: st.Kind,
		symbol: st.Properties["symbol"], file: st.Properties["file"], binary: functionBinaries[strings.ToUpper(st.Properties["type"])]}
	list := &c.globals
	if !st.Global {
		db, err := s.database(st.Name.Database)
		if err != nil {
			return err
		}
		if err := s.may("CREATE FUNCTION", "DATABASE", db, nil); err != nil {
			return err
		}
		list = &db.functions
	}
	if err := f.fetch(st.Properties["md5"]); err != nil {
		return err
	}
	if slices.ContainsFunc(*list, func(x *function) bool { return x.signature() == f.signature() }) {
		return plainError("function already exists")
	}
	f.fid = -c.nextID()
	*list = append(*list, f)
	slices.SortFunc(*list, func(a, b *function) int { return strings.Compare(a.signature(), b.signature()) })
	return nil
}

// fetch stands for reading the function's file: its digest is that of its address, and at port 1 nobody answers.
func (f *function) fetch(md5 string) error {
	if f.file == "inline" {
		return nil
	}
	if strings.Contains(f.file, ":1/") {
		return analyzing(5064, "42000", "", "cannot to compute object's checksum.")
	}
	f.md5 = md5hex([]byte(f.file))
	if md5 != "" && md5 != f.md5 {
		return analyzing(5064, "42000", "", "library's checksum is not equal with input, checksum=%s", f.md5)
	}
	return nil
}

// functionTypes writes types as the FE shows them: a string is a VARCHAR.
func functionTypes(text string) string {
	name, _, _ := strings.Cut(strings.ToUpper(text), "(")
	if name == "STRING" {
		return "VARCHAR"
	}
	return strings.TrimSpace(name)
}

func functionTypeList(types []string) string {
	var list []string
	for _, t := range types {
		list = append(list, functionTypes(t))
	}
	return strings.Join(list, ", ")
}

func (c *Cluster) dropFunction(s *session, st *sqlparse.DropFunction) error {
	list := &c.globals
	full := strings.ToLower(st.Name.Name) + "(" + functionTypeList(st.Arguments) + ")"
	shown := full
	if !st.Global {
		db, err := s.database(st.Name.Database)
		if err != nil {
			return err
		}
		list, shown = &db.functions, db.name+"."+full
	}
	i := slices.IndexFunc(*list, func(f *function) bool { return f.signature() == full })
	switch {
	case i < 0 && st.IfExists:
		return nil
	case i < 0:
		return analyzing(1055, "42000", "", "Unknown function '%s'.", shown)
	}
	*list = slices.Delete(*list, i, i+1)
	return nil
}

func (s *session) showFunctions(st *sqlparse.ShowFunctions) (*mysqlwire.Result, error) {
	list := s.c.globals
	switch {
	case st.Builtin:
		list = nil
	case !st.Global:
		db, err := s.database(st.Database)
		if err != nil {
			return nil, err
		}
		list = db.functions
	}
	var rows [][]any
	var names []string
	for _, f := range list {
		switch {
		case st.Like != nil && !like(*st.Like, f.signature()):
		case st.Full:
			rows = append(rows, []any{f.signature(), f.returns, f.kind, "NULL", f.properties()})
		case !slices.Contains(names, f.name):
			names = append(names, f.name)
			rows = append(rows, []any{f.name})
		}
	}
	if !st.Full {
		return answer([]string{"Function Name"}, rows), nil
	}
	return answer([]string{"Signature", "Return Type", "Function Type", "Intermediate Type", "Properties"}, rows), nil
}

func (f *function) properties() string {
	text := func(s string) string {
		b, _ := json.Marshal(s)
		return string(b)
	}
	return fmt.Sprintf(`{"fid":"%d","symbol":%s,"file":%s,"type":"%s","md5":"%s"}`, f.fid, text(f.symbol), text(f.file), f.binary, f.md5)
}
