package restorepoint

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

func TestPatterns(t *testing.T) {
	for text, want := range map[string]Pattern{
		"sales":              {Database: "sales"},
		"*":                  {Database: "*"},
		"s*.*":               {Database: "s*", Table: "*"},
		"sales.orders":       {Database: "sales", Table: "orders"},
		"sales.a.b":          {Database: "sales", Table: "a.b"},
		"sales.a b,c/p 1":    {Database: "sales", Table: "a b,c", Partition: "p 1"},
		"sales.t/p/q":        {Database: "sales", Table: "t", Partition: "p/q"},
		"日本.表/$shadow_auto*": {Database: "日本", Table: "表", Partition: "$shadow_auto*"},
		" a . b ":            {Database: " a ", Table: " b "},
	} {
		got, err := ParsePattern(text)
		if err != nil || got != want || got.String() != text {
			t.Errorf("%q: %+v (%q), %v", text, got, got, err)
		}
	}
	for _, text := range []string{"", ".", ".t", "db.", "db./p", "db.t/", "db/p", "/p", "db.t\n", "db.`t`", "d\x00"} {
		if p, err := ParsePattern(text); err == nil {
			t.Errorf("%q was read as %+v", text, p)
		}
	}
}

func TestWrongPatternsNameTheField(t *testing.T) {
	_, err := NewSelection([]string{"a"}, []string{"b", "c."})
	if err == nil || !strings.Contains(err.Error(), `exclude[1]: pattern "c."`) {
		t.Errorf("error %v", err)
	}
}

func TestSelections(t *testing.T) {
	type tables map[string]Match
	for name, test := range map[string]struct {
		include, exclude []string
		databases        string // of "sales web"
		tables           tables
		partitions       map[string]bool
	}{
		"nothing said is everything": {databases: "sales web", tables: tables{"sales.t": Whole}, partitions: map[string]bool{"sales.t/p": true}},
		"a database": {include: []string{"sales"}, databases: "sales", tables: tables{"sales.t": Whole, "web.t": None, "sales.t__restore_0123abcd": None, "sales.t__before_0123abcd": None},
			partitions: map[string]bool{"sales.t/p": true, "web.t/p": false, "sales.t__restore_0123abcd/p": false}},
		"a table":                  {include: []string{"sales.t"}, databases: "sales", tables: tables{"sales.t": Whole, "sales.u": None}},
		"letter case counts":       {include: []string{"Sales.t"}, databases: "", tables: tables{"sales.t": None, "sales.T": None}},
		"a partition":              {include: []string{"sales.t/p1"}, databases: "sales", tables: tables{"sales.t": Some, "sales.u": None}, partitions: map[string]bool{"sales.t/p1": true, "sales.t/p2": false}},
		"all partitions":           {include: []string{"sales.t/*"}, databases: "sales", tables: tables{"sales.t": Whole}},
		"globs":                    {include: []string{"*s.t*/p*1"}, databases: "sales", tables: tables{"sales.t": Some, "sales.tu": Some, "sales.u": None}, partitions: map[string]bool{"sales.tx/p201": true, "sales.tx/p202": false}},
		"exclude wins":             {include: []string{"*", "sales.t"}, exclude: []string{"sales.t"}, databases: "sales web", tables: tables{"sales.t": None, "sales.u": Whole}, partitions: map[string]bool{"sales.t/p": false}},
		"excluded database":        {exclude: []string{"sales"}, databases: "web", tables: tables{"sales.t": None}},
		"excluded tables":          {exclude: []string{"sales.*"}, databases: "web", tables: tables{"sales.t": None}},
		"excluded partitions":      {exclude: []string{"sales.t/*"}, databases: "sales web", tables: tables{"sales.t": None, "sales.u": Whole}},
		"excluded partition":       {include: []string{"sales"}, exclude: []string{"*.*/p1"}, databases: "sales", tables: tables{"sales.t": Some}, partitions: map[string]bool{"sales.t/p1": false, "sales.t/p2": true}},
		"only the star is special": {include: []string{"sales.a?[b]{c}\\"}, databases: "sales", tables: tables{`sales.a?[b]{c}\`: Whole, "sales.axb": None}},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := NewSelection(test.include, test.exclude)
			if err != nil {
				t.Fatal(err)
			}
			for _, database := range []string{"sales", "web"} {
				if want := strings.Contains(test.databases, database); s.Database(database) != want {
					t.Errorf("database %s: want %t", database, want)
				}
			}
			for table, want := range test.tables {
				database, table, _ := strings.Cut(table, ".")
				if got := s.Table(database, table); got != want {
					t.Errorf("table %s.%s: %d, want %d", database, table, got, want)
				}
			}
			for text, want := range test.partitions {
				p, err := ParsePattern(text)
				if err != nil {
					t.Fatal(err)
				}
				if got := s.Partition(p.Database, p.Table, p.Partition); got != want {
					t.Errorf("partition %s: %t", text, got)
				}
			}
		})
	}
}

func TestPatternsThatMatchNothingAreNamed(t *testing.T) {
	s, err := NewSelection([]string{"sales", "sales.t", "sales.t/p9", "salse.*", "web.*/p1"}, []string{"web", "nothing"})
	if err != nil {
		t.Fatal(err)
	}
	left := s.Unmatched(func(yield func(database, table, partition string) bool) {
		for _, seen := range [][3]string{{"sales", "t", "p1"}, {"sales", "u", "u"}, {"web", "x", "p1"}} {
			if !yield(seen[0], seen[1], seen[2]) {
				return
			}
		}
	})
	if len(left) != 2 || left[0].String() != "sales.t/p9" || left[1].String() != "salse.*" {
		t.Errorf("left: %v", left)
	}
}

func FuzzParsePattern(f *testing.F) {
	for _, name := range names {
		f.Add(name + "." + name + "/" + name)
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParsePattern(text)
		if err != nil {
			return
		}
		if p.String() != text {
			t.Errorf("%q is written as %q", text, p)
		}
		if literal := !strings.Contains(text, "*"); literal && !p.matches(p.Database, orX(p.Table), orX(p.Partition)) {
			t.Errorf("%q does not match itself", text)
		}
	})
}

func TestSelectionsThatCoverOthers(t *testing.T) {
	selection := func(include, exclude string) Selection {
		s, err := NewSelection(strings.Fields(include), strings.Fields(exclude))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for _, c := range []struct {
		include, exclude   string
		include2, exclude2 string
		covers             bool
	}{
		{"", "", "", "", true},
		{"", "", "sales.orders", "", true},
		{"sales", "", "", "", false},
		{"sales", "", "sales.*", "", true},
		{"sales web", "", "web sales.orders/p1", "", true},
		{"sa*", "", "sales", "", true},
		{"sa*", "", "s*", "", false},
		{"s*", "", "sa*", "", true},
		{"*les", "", "sa*", "", false},
		{"sales.orders", "", "sales", "", false},
		{"", "tmp", "", "tmp", true},
		{"", "tmp.x", "", "tmp", true},
		{"", "tmp", "", "", false},
		{"", "", "", "tmp", true},
		{"sales.t/p1", "", "sales.t", "", false},
	} {
		if got := selection(c.include, c.exclude).Covers(selection(c.include2, c.exclude2)); got != c.covers {
			t.Errorf("%q but %q covers %q but %q: %t", c.include, c.exclude, c.include2, c.exclude2, got)
		}
	}
}

func orX(name string) string {
	if name == "" {
		return "x"
	}
	return name
}

// The matcher agrees with the regular expression that means the same.
func FuzzGlob(f *testing.F) {
	f.Add("a*b*", "aXbY")
	f.Add("**", "")
	f.Add("*a*a*a*a*b", strings.Repeat("a", 60))
	f.Fuzz(func(t *testing.T, pattern, name string) {
		if len(pattern) > 50 || len(name) > 200 {
			return
		}
		checkGlob(t, pattern, name)
	})
}

func checkGlob(t *testing.T, pattern, name string) {
	t.Helper()
	if pattern != strings.ToValidUTF8(pattern, "?") || name != strings.ToValidUTF8(name, "?") {
		return
	}
	expression := "(?s)^" + strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, ".*") + "$"
	if want := regexp.MustCompile(expression).MatchString(name); glob(pattern, name) != want {
		t.Errorf("pattern %q, name %q: want %t", pattern, name, want)
	}
}

func TestGlobsOfRandomTexts(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	text := func(alphabet string) string {
		var b strings.Builder
		for range r.IntN(8) {
			b.WriteByte(alphabet[r.IntN(len(alphabet))])
		}
		return b.String()
	}
	for range 20000 {
		checkGlob(t, text("ab**"), text("ab"))
	}
}

func TestALongGlobIsFast(t *testing.T) {
	if glob(strings.Repeat("*a", 200)+"b", strings.Repeat("a", 5000)) {
		t.Error("matched")
	}
}
