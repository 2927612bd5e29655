package sqlparse

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// The texts are those of a real FE: golden 01, 02, 03, 04, 05, 06, 08, 09, 47.
func TestSyntaxErrorsSpeakLikeTheFE(t *testing.T) {
	for sql, want := range map[string]string{
		"CREATE REPOSITORY r ON LOCATION 'x'":                             "at line 1, column 20. Detail message: Unexpected input 'ON', the most similar input is {'WITH'}.",
		`CREATE REPOSITORY r_noloc WITH BROKER PROPERTIES("a"="b")`:       "at line 1, column 48. Detail message: Unexpected input '(', the most similar input is {'ON'}.",
		"CREATE REPOSITORY IF NOT EXISTS r WITH BROKER ON LOCATION 'x'":   "at line 1, column 18. Detail message: Unexpected input 'IF', the most similar input is {a legal identifier}.",
		"CREATE REPOSITORY a.b WITH BROKER ON LOCATION 'x'":               "at line 1, column 19. Detail message: Unexpected input '.', the most similar input is {'WITH'}.",
		"SHOW REPOSITORIES LIKE 'r%'":                                     "at line 1, column 18. Detail message: Unexpected input 'LIKE', the most similar input is {<EOF>, ';'}.",
		"SHOW CREATE REPOSITORY r_s3":                                     "at line 1, column 12. Detail message: No viable statement for input 'SHOW CREATE REPOSITORY'.",
		"SHOW SNAPSHOT":                                                   "at line 1, column 13. Detail message: Unexpected input '<EOF>', the most similar input is {'ON'}.",
		"SHOW SNAPSHOT ON r_s3 LIMIT 1":                                   "at line 1, column 22. Detail message: Unexpected input 'LIMIT', the most similar input is {<EOF>, ';'}.",
		"SHOW BACKUP FROM g02 WHERE SnapshotName = 'x'":                   "at line 1, column 21. Detail message: Unexpected input 'WHERE', the most similar input is {<EOF>, ';'}.",
		"BACKUP SNAPSHOT g04.b13 TO r04 ON (sales PARTITION ())":          "at line 1, column 52. Detail message: No viable statement for input 'PARTITION ()'.",
		"BACKUP SNAPSHOT g05.l1 TO r05 ON ()":                             "at line 1, column 34. Detail message: Unexpected input ')', the most similar input is {a legal identifier}.",
		"BACKUP SNAPSHOT g05.l1 TO r05 ON (t2) PROPERTIES ()":             "at line 1, column 50. Detail message: Unexpected input ')', the most similar input is {SINGLE_QUOTED_TEXT, DOUBLE_QUOTED_TEXT}.",
		"BACKUP SNAPSHOT g05.1 TO r05 ON (t2)":                            "at line 1, column 19. Detail message: Unexpected input '.1', the most similar input is {'TO'}.",
		"BACKUP SNAPSHOT g05.a-b TO r05 ON (t2)":                          "at line 1, column 21. Detail message: Unexpected input '-', the most similar input is {'TO'}.",
		"BACKUP SNAPSHOT g05.'quoted' TO r05 ON (t2)":                     "at line 1, column 19. Detail message: Unexpected input '.', the most similar input is {'TO'}.",
		"BACKUP SNAPSHOT g05.select TO r05 ON (t2)":                       "at line 1, column 19. Detail message: Unexpected input '.', the most similar input is {'TO'}.",
		"BACKUP SNAPSHOT g05.l1":                                          "at line 1, column 22. Detail message: Unexpected input '<EOF>', the most similar input is {'TO'}.",
		"BACKUP TABLE g05.t TO r05":                                       "at line 1, column 7. Detail message: Unexpected input 'TABLE', the most similar input is {'DATABASE', 'ALL', 'SNAPSHOT', 'EXTERNAL'}.",
		"BACKUP SNAPSHOT default_catalog.g05.l1 TO r05 ON (t2)":           "from line 1, column 16 to line 1, column 36. Detail message: Invalid table name format 'default_catalog.g05.l1'.",
		"RESTORE SNAPSHOT full FROM r06 PROPERTIES ('a'='b')":             "at line 1, column 17. Detail message: Unexpected input 'full', the most similar input is {a legal identifier}.",
		"RESTORE DATABASE g03 AS c SNAPSHOT f FROM r03":                   "at line 1, column 8. Detail message: Unexpected input 'DATABASE', the most similar input is {'SNAPSHOT'}.",
		"RESTORE SNAPSHOT g08.s1 TO r08":                                  "at line 1, column 24. Detail message: Unexpected input 'TO', the most similar input is {'FROM'}.",
		"SHOW TASKS":                                                      "at line 1, column 5. Detail message: No viable statement for input 'SHOW TASKS'.",
		"ALTER TABLE sw.t EXCHANGE PARTITION p2 WITH TABLE t_p2":          "at line 1, column 17. Detail message: Unexpected input 'EXCHANGE', the most similar input is {<EOF>, ';'}.",
		"ALTER TABLE sw.u SWAP WITH sw2.u":                                "at line 1, column 30. Detail message: Unexpected input '.', the most similar input is {<EOF>, ';'}.",
		"SHOW PARTITIONS FROM ?":                                          "at line 1, column 21. Detail message: Unexpected input '?', the most similar input is {a legal identifier}.",
		"SELECT 1;\n  SHOW `x`":                                           "at line 2, column 7. Detail message: No viable statement for input 'SHOW `x`'.",
		"SHOW PROC 'never ends":                                           "at line 1, column 10. Detail message: Unexpected input ''', the most similar input is {a legal identifier}.",
		"CANCEL BACKUP":                                                   ". Detail message: No selected database for cancel BACKUP/RESTORE.",
		"BACKUP DATABASE g05 SNAPSHOT g05.l1 TO r05":                      ". Detail message: Specifying dbName before snapshot name is forbidden if the DbName is specified explicitly in BACKUP/RESTORE.",
		"BACKUP SNAPSHOT g05.l1 TO r05 ON (t AS t9)":                      ". Detail message: Specifying alias for backup object is forbidden in BACKUP stmt.",
		"BACKUP EXTERNAL CATALOG (c1) DATABASE g05 SNAPSHOT l1 TO r05":    ". Detail message: Can not sepcify database name for external catalog Backup/Restore.",
		"BACKUP ALL EXTERNAL CATALOGS SNAPSHOT l1 TO r05 ON (t)":          ". Detail message: Can not sepcify `ON` clause for external catalog Backup/Restore.",
		"RESTORE SNAPSHOT s1 FROM r08 EXTERNAL CATALOG (c1) ON (t)":       ". Detail message: `ON` clause is forbidden if no Database explicitly specified in Restore stmt.",
		"RESTORE SNAPSHOT g08.s1 FROM r08 EXTERNAL CATALOG (c1)":          ". Detail message: Can not sepcify database name for external catalog Backup/Restore.",
		"CANCEL BACKUP; SHOW SNAPSHOT":                                    "at line 1, column 28. Detail message: Unexpected input '<EOF>', the most similar input is {'ON'}.",
		"BACKUP SNAPSHOT g05.l1 TO r05 ON (t) ON (t2)":                    "at line 1, column 37. Detail message: Unexpected input 'ON', the most similar input is {<EOF>, ';'}.",
		"BACKUP SNAPSHOT g05.l1 TO r05 ON (`\u00fc` PARTITION (p), t) ON": "at line 1, column 56. Detail message: Unexpected input 'ON', the most similar input is {<EOF>, ';'}.",
	} {
		t.Run(sql, func(t *testing.T) {
			_, err := Parse(sql)
			var syntax *SyntaxError
			if !errors.As(err, &syntax) {
				t.Fatalf("no syntax error: %v", err)
			}
			got := strings.TrimPrefix(strings.TrimPrefix(err.Error(), "Getting syntax error"), " ")
			if got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

// parseOne parses a text of one statement.
func parseOne(t *testing.T, sql string) Statement {
	t.Helper()
	s, err := Parse(sql)
	if err != nil {
		t.Fatal(err)
	}
	if len(s) != 1 {
		t.Fatalf("%d statements", len(s))
	}
	return s[0]
}

var ignoreText = cmp.Options{
	cmpopts.IgnoreTypes(base{}, Range{}),
}

func TestStatementsBecomeTrees(t *testing.T) {
	for sql, want := range map[string]Statement{
		"backup snapshot `g02`.`snap1` to r ON (orders PARTITION (p1, `p 2`), TABLE `a``b`, VIEW v) PROPERTIES ('timeout'='3600', \"type\" = 'FULL')": &Backup{
			Database: "g02", Label: "snap1", Repository: "r", On: true,
			Objects: []Object{
				{Name: TableName{Name: "orders"}, Partitions: &PartitionList{Names: []string{"p1", "p 2"}}},
				{Kind: TableObject, Name: TableName{Name: "ab"}},
				{Kind: ViewObject, Name: TableName{Name: "v"}},
			},
			Properties: []Property{{"timeout", "3600"}, {"type", "FULL"}},
		},
		"BACKUP DATABASE d SNAPSHOT l TO r ON (ALL TABLES, MATERIALIZED VIEW mv, FUNCTION f, view, tables PARTITIONS p1)": &Backup{
			Database: "d", Label: "l", Repository: "r", On: true,
			Objects: []Object{
				{Kind: TableObject, All: true},
				{Kind: MaterializedViewObject, Name: TableName{Name: "mv"}},
				{Kind: FunctionObject, Name: TableName{Name: "f"}},
				{Name: TableName{Name: "view"}},
				{Name: TableName{Name: "tables"}, Partitions: &PartitionList{Names: []string{"p1"}}},
			},
		},
		"RESTORE SNAPSHOT l FROM r DATABASE d AS e ON (TABLE t AS u, x AS ``)": &Restore{
			Label: "l", Repository: "r", Source: "d", Target: "e", On: true,
			Objects: []Object{
				{Kind: TableObject, Name: TableName{Name: "t"}, HasAlias: true, Alias: "u"},
				{Name: TableName{Name: "x"}, HasAlias: true},
			},
		},
		"BACKUP SNAPSHOT g05.1a TO r": &Backup{Database: "g05", Label: "1a", Repository: "r"},
		"CANCEL RESTORE IN `d`":       &Cancel{Restore: true, Database: "d"},
		"SHOW SNAPSHOT ON r WHERE SNAPSHOT='a' AND TIMESTAMP = 'b'": &ShowSnapshot{Repository: "r", Where: &Binary{"AND",
			&Binary{"=", &ColumnRef{[]string{"SNAPSHOT"}}, &Literal{StringLiteral, "a"}},
			&Binary{"=", &ColumnRef{[]string{"TIMESTAMP"}}, &Literal{StringLiteral, "b"}}}},
		"ALTER TABLE `d`.`t` SWAP WITH `u`":        &AlterTable{Name: TableName{Database: "d", Name: "t"}, Clause: &SwapWith{"u"}},
		"ALTER TABLE d.t SET (\"a\"=\"b\")":        &AlterTable{Name: TableName{Database: "d", Name: "t"}, Clause: &SetProperties{[]Property{{"a", "b"}}}},
		"grant select, insert on table d.t to swx": &Grant{Privileges: []string{"SELECT", "INSERT"}, On: "TABLE", Objects: []TableName{{Database: "d", Name: "t"}}, ToUser: &User{"swx", "%"}},
		"GRANT SELECT ON TABLE d.t TO ROLE 'r' WITH GRANT OPTION": &Grant{Privileges: []string{"SELECT"}, On: "TABLE",
			Objects: []TableName{{Database: "d", Name: "t"}}, ToRole: "r", GrantOption: true},
		"grant select on all tables in database dr1 to user 'u'@'10.%'": &Grant{Privileges: []string{"SELECT"}, On: "TABLE", All: true, InDatabase: "dr1", ToUser: &User{"u", "10.%"}},
		"GRANT db_admin TO USER u":                                      &Grant{Roles: []string{"db_admin"}, ToUser: &User{"u", "%"}},
		"INSERT INTO g.pk (v) VALUES (1), (-2), (NULL), ('it''s\\n')": &Insert{Name: TableName{Database: "g", Name: "pk"}, Columns: []string{"v"},
			Rows: [][]Expr{{&Literal{NumberLiteral, "1"}}, {&Literal{NumberLiteral, "-2"}}, {&Literal{NullLiteral, ""}}, {&Literal{StringLiteral, "it's\n"}}}},
		"SHOW TABLET 10023":                            &ShowTablet{ID: 10023},
		"select count(*) from `d`.`t` partition (`p`)": &Select{Items: []SelectItem{{Expr: &Call{Name: "count", Star: true}, Text: "count(*)"}}, From: &TableName{Database: "d", Name: "t"}, Partitions: &PartitionList{Names: []string{"p"}}, Limit: -1},
		"select @@version_comment limit 1":             &Select{Items: []SelectItem{{Expr: &Variable{Name: "version_comment"}, Text: "@@version_comment"}}, Limit: 1},
		"SET NAMES utf8mb4":                            &Set{Assignments: []Assignment{{Name: "names", Value: &ColumnRef{[]string{"utf8mb4"}}}}},
		"SET autocommit=1, @@session.sql_mode = ''": &Set{Assignments: []Assignment{
			{Name: "autocommit", Value: &Literal{NumberLiteral, "1"}}, {Name: "sql_mode", Value: &Literal{StringLiteral, ""}}}},
		"/* a */ SHOW BACKUP -- b\n": &ShowBackup{},
		"CREATE TABLE d.t (dt DATE NOT NULL COMMENT 'day', id BIGINT, a DECIMAL(10,2) NULL, s BIGINT SUM DEFAULT '0') AGGREGATE KEY(dt, id) COMMENT 'c' " +
			"PARTITION BY RANGE(dt) (PARTITION p1 VALUES LESS THAN ('2025-01-01'), PARTITION p2 VALUES [('2025-01-01'), (MAXVALUE)), START ('2024-01-01') END ('2024-03-01') EVERY (INTERVAL 1 MONTH)) " +
			"DISTRIBUTED BY HASH(id) BUCKETS 2 PROPERTIES('replication_num'='3')": &CreateTable{
			Name: TableName{Database: "d", Name: "t"},
			Columns: []Column{
				{Name: "dt", Type: "date", NullWritten: true, Comment: "day"},
				{Name: "id", Type: "bigint", Nullable: true},
				{Name: "a", Type: "decimal(10, 2)", Nullable: true, NullWritten: true},
				{Name: "s", Type: "bigint", Aggregate: "SUM", Nullable: true, HasDefault: true, Default: "0"},
			},
			Keys: AggregateKeys, KeyColumns: []string{"dt", "id"}, Comment: "c",
			PartitionBy: PartitionBy{Kind: RangePartitioned, Columns: []string{"dt"},
				Partitions: []PartitionDef{
					{Name: "p1", LessThan: []Bound{{Value: "2025-01-01"}}},
					{Name: "p2", From: []Bound{{Value: "2025-01-01"}}, To: []Bound{{Max: true}}},
				},
				Steps: []PartitionStep{{Start: "2024-01-01", End: "2024-03-01", Every: 1, Unit: "MONTH"}},
			},
			Distribution: &Distribution{Columns: []string{"id"}, Buckets: 2},
			Properties:   []Property{{"replication_num", "3"}},
		},
		"CREATE TABLE a (ts DATETIME NOT NULL) PARTITION BY date_trunc('day', ts) DISTRIBUTED BY RANDOM": &CreateTable{
			Name:    TableName{Name: "a"},
			Columns: []Column{{Name: "ts", Type: "datetime", NullWritten: true}},
			PartitionBy: PartitionBy{Kind: ExpressionPartitions, Columns: []string{"ts"},
				Exprs: []Expr{&Call{Name: "date_trunc", Args: []Expr{&Literal{StringLiteral, "day"}, &ColumnRef{[]string{"ts"}}}}}},
			Distribution: &Distribution{Random: true},
		},
		"create materialized view d.mv distributed by hash(k) buckets 1 refresh manual properties('replication_num'='1') as select k, v from d.t": &CreateMaterializedView{
			Name: TableName{Database: "d", Name: "mv"}, Distribution: &Distribution{Columns: []string{"k"}, Buckets: 1}, Async: true, Refresh: "MANUAL",
			Properties: []Property{{"replication_num", "1"}},
			Query: &Select{Items: []SelectItem{{Expr: &ColumnRef{[]string{"k"}}, Text: "k"}, {Expr: &ColumnRef{[]string{"v"}}, Text: "v"}},
				From: &TableName{Database: "d", Name: "t"}, Limit: -1},
		},
	} {
		t.Run(sql, func(t *testing.T) {
			if diff := cmp.Diff(want, parseOne(t, sql), ignoreText); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRangesAreTheOnesOfErrorTexts(t *testing.T) {
	s := parseOne(t, "RESTORE SNAPSHOT g08.s1 FROM r08 ON (flat AS a, TABLE t PARTITION (p1, nope))").(*Restore)
	if got := s.Objects[0].Range.String(); got != "from line 1, column 37 to line 1, column 45" {
		t.Error(got)
	}
	if got := s.Objects[1].Name.Range.String(); got != "at line 1, column 54" {
		t.Error(got)
	}
	if got := s.Objects[1].Partitions.Range.String(); got != "from line 1, column 56 to line 1, column 75" {
		t.Error(got)
	}
}

func TestSeveralStatementsInOneText(t *testing.T) {
	s, err := Parse("; SELECT 1 ;; -- none\n SHOW BACKUP;")
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, one := range s {
		texts = append(texts, one.Text())
	}
	if diff := cmp.Diff([]string{"SELECT 1", "SHOW BACKUP"}, texts); diff != "" {
		t.Error(diff)
	}
	if s, err := Parse(" /* nothing */ "); err != nil || len(s) != 0 {
		t.Error(s, err)
	}
}

func FuzzParseNeverPanics(f *testing.F) {
	for _, s := range []string{"BACKUP SNAPSHOT a.b TO c ON (t PARTITION (p) AS u)", "SELECT 'a\\", "CREATE TABLE t (a int", "`", "\xff", "SHOW TABLET 1;", "ALTER TABLE t ADD PARTITION p VALUES IN (('a'))"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		_, err := Parse(sql)
		var syntax *SyntaxError
		if err != nil && !errors.As(err, &syntax) {
			t.Fatal(err)
		}
	})
}
