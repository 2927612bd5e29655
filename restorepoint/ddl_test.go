package restorepoint

import (
	"strings"
	"testing"
)

const ordersDDL = "CREATE TABLE `orders` (\n  `dt` date NOT NULL COMMENT \"a, b\",\n  `k` int(11) NULL COMMENT \"\",\n  INDEX bi (`k`) USING BITMAP COMMENT ''\n) ENGINE=OLAP \nDUPLICATE KEY(`dt`, `k`)\nCOMMENT \"x\"\nPARTITION BY RANGE(`dt`)\n" +
	"(PARTITION p1 VALUES [(\"0000-01-01\"), (\"2025-01-01\")),\nPARTITION p2 VALUES [(\"2025-01-01\"), (\"2025-02-01\")))\nDISTRIBUTED BY HASH(`k`) BUCKETS 2 \nORDER BY(`k`)\nPROPERTIES (\n\"colocate_with\" = \"g\",\n\"compression\" = \"LZ4\",\n\"replication_num\" = \"3\"\n);"

const listDDL = "CREATE TABLE `l` (\n  `c` varchar(20) NOT NULL COMMENT \"\"\n) ENGINE=OLAP \nDUPLICATE KEY(`c`)\nPARTITION BY LIST(`c`)(\n  PARTITION pa VALUES IN ('a)', 'aa'),\n  PARTITION pb VALUES IN ('b')\n)\nDISTRIBUTED BY HASH(`c`) BUCKETS 2 \nPROPERTIES (\n\"replication_num\" = \"1\"\n);"

func TestDefinitionsAreComparedLineByLine(t *testing.T) {
	change := func(from, to string) func(string) string {
		return func(s string) string {
			if !strings.Contains(s, from) {
				panic(from)
			}
			return strings.Replace(s, from, to, 1)
		}
	}
	for name, c := range map[string]struct {
		want        string
		change      func(string) string
		partitions  string
		differences string // as a sentence each
		noted       string
	}{
		"equal":                        {change: func(s string) string { return s }},
		"another name":                 {change: change("`orders` (", "`orders__restore_1a2b3c4d` (")},
		"replicas":                     {change: change(`"replication_num" = "3"`, `"replication_num" = "1"`), noted: `has "replication_num" = "1", backed up was "replication_num" = "3"`},
		"out of its colocation group":  {change: change("\"colocate_with\" = \"g\",\n", ""), noted: `lacks "colocate_with" = "g"`},
		"a property that is not known": {change: change("LZ4", "ZSTD"), noted: `has "compression" = "ZSTD", backed up was "compression" = "LZ4"`},
		"the last property is missing": {change: change(",\n\"replication_num\" = \"3\"", ""), noted: `lacks "replication_num" = "3"`},
		"a column's type":              {change: change("`k` int(11)", "`k` bigint(20)"), differences: "has `k` bigint(20) NULL COMMENT \"\", backed up was `k` int(11) NULL COMMENT \"\""},
		"a column's comment":           {change: change("a, b", "a"), differences: "has `dt` date NOT NULL COMMENT \"a\", backed up was `dt` date NOT NULL COMMENT \"a, b\""},
		"a further column":             {change: change("  INDEX bi", "  `n` int(11) NULL COMMENT \"\",\n  INDEX bi"), differences: "has `n` int(11) NULL COMMENT \"\", which was not backed up"},
		"no index":                     {change: change(",\n  INDEX bi (`k`) USING BITMAP COMMENT ''", ""), differences: "lacks INDEX bi (`k`) USING BITMAP COMMENT ''"},
		"another sort key":             {change: change("ORDER BY(`k`)", "ORDER BY(`dt`)"), differences: "has ORDER BY(`dt`), backed up was ORDER BY(`k`)"},
		"other buckets":                {change: change("BUCKETS 2", "BUCKETS 3"), differences: "has DISTRIBUTED BY HASH(`k`) BUCKETS 3, backed up was DISTRIBUTED BY HASH(`k`) BUCKETS 2"},
		"a partition's range":          {change: change(`2025-02-01`, `2025-03-01`), differences: `has PARTITION p2 VALUES [("2025-01-01"), ("2025-03-01")), backed up was PARTITION p2 VALUES [("2025-01-01"), ("2025-02-01"))`},
		"one that was not restored":    {change: change(`2025-02-01`, `2025-03-01`), partitions: "p1"},
		"only one was restored":        {change: change(",\nPARTITION p2 VALUES [(\"2025-01-01\"), (\"2025-02-01\"))", ""), partitions: "p1"},
		"LIST values":                  {want: listDDL, change: change("('b')", "('c')"), partitions: "pa pb", differences: "has PARTITION pb VALUES IN ('c'), backed up was PARTITION pb VALUES IN ('b')"},
		"LIST, one was not restored":   {want: listDDL, change: change(",\n  PARTITION pb VALUES IN ('b')", ""), partitions: "pa"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.want == "" {
				c.want = ordersDDL
			}
			if c.partitions == "" {
				c.partitions = "p1 p2"
			}
			got := CompareDDL(c.want, c.change(c.want), strings.Fields(c.partitions), false)
			if text := lineTexts(got.Differences); text != c.differences {
				t.Errorf("differences: %s\nwant %s", text, c.differences)
			}
			if text := lineTexts(got.Noted); text != c.noted {
				t.Errorf("noted: %s\nwant %s", text, c.noted)
			}
			other := CompareDDL(c.want, c.change(c.want), strings.Fields(c.partitions), true)
			if len(other.Differences) > 0 || len(other.Noted) != len(got.Differences)+len(got.Noted) {
				t.Errorf("between versions: %+v", other)
			}
		})
	}
	for _, c := range []DDL{CompareDDL("", ordersDDL, nil, false), CompareDDL(ordersDDL, "", nil, false)} {
		if c.Compared || c.Why == "" {
			t.Errorf("%+v", c)
		}
	}
}

func lineTexts(lines []DDLLine) string {
	var texts []string
	for _, l := range lines {
		texts = append(texts, l.String())
	}
	return strings.Join(texts, "; ")
}

func TestManyDifferentLinesAreComparedInBoundedTime(t *testing.T) {
	var a, b []string
	for i := range 20_000 {
		a, b = append(a, strings.Repeat("a", i%7)), append(b, strings.Repeat("b", i%5))
	}
	if lines := differingLines(a, b); len(lines) < maxDiffLines/2 {
		t.Errorf("%d lines", len(lines))
	}
}

// TestTheBucketsOfATableThatStays: the number in the definition is for partitions to come. Of a new table it is what was
// restored, and how rows are spread is so everywhere.
func TestTheBucketsOfATableThatStays(t *testing.T) {
	const of = "CREATE TABLE `t` (\n  `k` bigint(20) NOT NULL\n) ENGINE=OLAP\nDUPLICATE KEY(`k`)\nDISTRIBUTED BY HASH(`k`) BUCKETS 1"
	for _, c := range []struct {
		name, got     string
		kept, differs bool
		noted         int
	}{
		{"it stays", strings.Replace(of, "BUCKETS 1", "BUCKETS 12", 1), true, false, 1},
		{"it is new", strings.Replace(of, "BUCKETS 1", "BUCKETS 12", 1), false, true, 0},
		{"it stays, spread in another way", strings.Replace(of, "HASH(`k`) BUCKETS 1", "RANDOM BUCKETS 1", 1), true, true, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := Prove(Table{Name: "t", DDL: of}, Restored{ID: 7, DDL: c.got, Live: true, Kept: c.kept}, 0, false)
			if p.Proven() == c.differs || len(p.DDL.Noted) != c.noted {
				t.Errorf("proven %t: %+v", p.Proven(), p.DDL)
			}
		})
	}
}
