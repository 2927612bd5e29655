package starrocks

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const ts = "2026-11-22-16-48-56-487"

func TestStatementsRead(t *testing.T) {
	backup := BackupStatement{Database: "sales", Label: "sk_sales_0a_u1_a1", Repository: "repo",
		Objects: []Object{{Table: "a b"}, {Table: "t", Partitions: []string{"p1", "$shadow_automatic_partition"}}}}
	restore := RestoreStatement{Database: "sales", Label: "l", Repository: "repo", Timestamp: ts, ReplicationNum: 3,
		Objects: []Object{{Table: "t", Partitions: []string{"p1"}, Alias: "t2"}}, Timeout: time.Hour}
	for _, c := range []struct {
		statement interface{ SQL() (string, error) }
		want      string
	}{
		{backup, "BACKUP SNAPSHOT `sales`.`sk_sales_0a_u1_a1` TO `repo` ON (`a b`, `t` PARTITION (`p1`, `$shadow_automatic_partition`)) PROPERTIES (\"type\" = \"full\", \"timeout\" = \"2592000\")"},
		{restore, "RESTORE SNAPSHOT `sales`.`l` FROM `repo` ON (`t` PARTITION (`p1`) AS `t2`) PROPERTIES (\"backup_timestamp\" = \"" + ts + "\", \"replication_num\" = \"3\", \"timeout\" = \"3600\")"},
		{Grant{Grantee: "'u'@'%'", Database: "d", Table: "t", Privilege: "SELECT"}, "GRANT SELECT ON TABLE `d`.`t` TO USER 'u'@'%'"},
		{Grant{Grantee: "r", IsRole: true, Database: "d", Table: "t", Privilege: "INSERT", Grantable: true}, "GRANT INSERT ON TABLE `d`.`t` TO ROLE 'r' WITH GRANT OPTION"},
	} {
		got, err := c.statement.SQL()
		if err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Error(diff)
		}
	}
}

func TestStatementsThatMustNotBeSent(t *testing.T) {
	good := RestoreStatement{Database: "d", Label: "l", Repository: "r", Timestamp: ts, ReplicationNum: 1, Objects: []Object{{Table: "t"}}}
	if _, err := good.SQL(); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*RestoreStatement)
		want   error
	}{
		"replication 0":                  {func(s *RestoreStatement) { s.ReplicationNum = 0 }, ErrInvalidStatement},
		"no objects":                     {func(s *RestoreStatement) { s.Objects = nil }, ErrInvalidStatement},
		"the same table twice":           {func(s *RestoreStatement) { s.Objects = []Object{{Table: "t"}, {Table: "t"}} }, ErrInvalidStatement},
		"AS among several":               {func(s *RestoreStatement) { s.Objects = []Object{{Table: "a", Alias: "b"}, {Table: "t"}} }, ErrInvalidStatement},
		"a timeout that is too short":    {func(s *RestoreStatement) { s.Timeout = time.Minute }, ErrInvalidStatement},
		"a timestamp that is a glob":     {func(s *RestoreStatement) { s.Timestamp = "*" }, ErrInvalidName},
		"a timestamp that is too short":  {func(s *RestoreStatement) { s.Timestamp = ts[:19] }, ErrInvalidName},
		"an empty database":              {func(s *RestoreStatement) { s.Database = "" }, ErrInvalidName},
		"a backquote in a table":         {func(s *RestoreStatement) { s.Objects[0].Table = "t`; DROP DATABASE d; --" }, ErrInvalidName},
		"a doubled backquote":            {func(s *RestoreStatement) { s.Objects[0].Table = "t``" }, ErrInvalidName},
		"a backslash in a partition":     {func(s *RestoreStatement) { s.Objects[0].Partitions = []string{`p\`} }, ErrInvalidName},
		"a newline in an alias":          {func(s *RestoreStatement) { s.Objects[0].Alias = "a\nb" }, ErrInvalidName},
		"NUL in the database":            {func(s *RestoreStatement) { s.Database = "d\x00" }, ErrInvalidName},
		"a name that is not UTF-8":       {func(s *RestoreStatement) { s.Database = "d\xff" }, ErrInvalidName},
		"a slash in the label":           {func(s *RestoreStatement) { s.Label = "a/b" }, ErrInvalidName},
		"a colon in the label":           {func(s *RestoreStatement) { s.Label = "a:b" }, ErrInvalidName},
		"an empty label":                 {func(s *RestoreStatement) { s.Label = "" }, ErrInvalidName},
		"a label that is too long":       {func(s *RestoreStatement) { s.Label = strings.Repeat("x", 129) }, ErrInvalidName},
		"a dash in the repository":       {func(s *RestoreStatement) { s.Repository = "a-b" }, ErrInvalidName},
		"a repository that is too long":  {func(s *RestoreStatement) { s.Repository = strings.Repeat("x", 65) }, ErrInvalidName},
		"a repository that begins so: 1": {func(s *RestoreStatement) { s.Repository = "1a" }, ErrInvalidName},
	} {
		s := good
		s.Objects = slices.Clone(good.Objects)
		c.change(&s)
		if text, err := s.SQL(); !errors.Is(err, c.want) || text != "" {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}
	if _, err := (BackupStatement{Database: "d", Label: "l", Repository: "r", Objects: []Object{{Table: "t", Alias: "a"}}}).SQL(); !errors.Is(err, ErrInvalidStatement) {
		t.Errorf("BACKUP with AS: %v", err)
	}
	for _, g := range []Grant{
		{Grantee: "u", Privilege: "SELECT"}, {Grantee: "'u'@'h", Privilege: "SELECT"}, {Grantee: "'u'@'h'", Privilege: "SELECT ON x; DROP"},
		{Grantee: "r`", IsRole: true, Privilege: "SELECT"}, {Grantee: "'u'@'h'"},
	} {
		g.Database, g.Table = "d", "t"
		if text, err := g.SQL(); !errors.Is(err, ErrInvalidName) {
			t.Errorf("%+v: %q, %v", g, text, err)
		}
	}
}

func TestCreateRepositoryHidesItsProperties(t *testing.T) {
	s := RepositoryStatement{Name: "r", Location: `s3://b/"x"`, ReadOnly: true,
		Properties: map[string]string{"aws.s3.secret_key": `se"cr\et`, "aws.s3.region": "eu", "aws.s3.access_key": "AKIA"}}
	text, err := s.sql()
	want := "CREATE READ ONLY REPOSITORY `r` WITH BROKER ON LOCATION \"s3://b/\\\"x\\\"\" PROPERTIES (\"aws.s3.access_key\" = \"AKIA\", \"aws.s3.region\" = \"eu\", \"aws.s3.secret_key\" = \"se\\\"cr\\\\et\")"
	if err != nil || text != want {
		t.Errorf("%s, %v", text, err)
	}
	for _, shown := range []string{fmt.Sprint(s), fmt.Sprintf("%v %+v %#v", s, s, s)} {
		if strings.Contains(shown, "cr") && strings.Contains(shown, "se\"") || strings.Contains(shown, "AKIA") {
			t.Errorf("shows secrets: %s", shown)
		}
	}
	secrets := s.secrets()
	slices.Sort(secrets)
	if !slices.Equal(secrets, []string{"AKIA", `se"cr\et`}) {
		t.Errorf("secrets: %v", secrets)
	}
	s.Properties["aws.s3.secret_key"] = "a\nb"
	if _, err := s.sql(); err == nil || strings.Contains(err.Error(), "a\nb") || strings.Contains(err.Error(), `a\nb`) {
		t.Errorf("a newline in a secret: %v", err)
	}
}

// words is the expected token sequence: W words, names in [], texts in "", signs as they are.
func words(parts ...any) []token {
	var out []token
	for _, p := range parts {
		switch p := p.(type) {
		case string:
			for w := range strings.FieldsSeq(p) {
				kind := "sign"
				if isWord(w[0]) {
					kind = "word"
				}
				out = append(out, token{kind, w})
			}
		case token:
			out = append(out, p)
		}
	}
	return out
}

func name(s string) token { return token{"name", s} }
func lit(s string) token  { return token{"text", s} }

// checkTokens: a statement was refused, or the FE's lexer takes it for exactly what was meant.
func checkTokens(t *testing.T, sql string, err error, want []token) {
	t.Helper()
	if err != nil {
		if !errors.Is(err, ErrInvalidName) && !errors.Is(err, ErrInvalidStatement) {
			t.Errorf("refused with %v", err)
		}
		return
	}
	got, err := tokenize(sql)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s\n got %q\nwant %q", sql, got, want)
	}
}

var evilNames = []string{"t", "a b", "`", "``", "a`b", `\`, `a\`, `\'`, "'", "''", `"`, "--", "/*", "*/", "a;b", ";", "\x00", "\n", "\r", "\u2028", "é", "名前",
	"\xff", "%", "_", "$p", "a.b", "select", "?", "\ufffd", "\u00a0", "\u2019", "' OR '1'='1", "x` ; DROP TABLE y ; `", `\\`, "'@'", "a'@'b"}

func FuzzNamesRoundTripOrAreRefused(f *testing.F) {
	for i, a := range evilNames {
		b := evilNames[(i+7)%len(evilNames)]
		f.Add(a, "d", "p", b)
		f.Add("t", a, b, "x")
		f.Add(b, "d", a, "v")
	}
	f.Fuzz(func(t *testing.T, table, database, partition, other string) {
		b := BackupStatement{Database: database, Label: "l", Repository: "r", Objects: []Object{{Table: table, Partitions: []string{partition}}, {Table: other}}}
		sql, err := b.SQL()
		checkTokens(t, sql, err, words("BACKUP SNAPSHOT", name(database), ".", name("l"), "TO", name("r"), "ON (", name(table), "PARTITION (", name(partition), ") ,", name(other),
			") PROPERTIES (", lit("type"), "=", lit("full"), ",", lit("timeout"), "=", lit("2592000"), ")"))

		r := RestoreStatement{Database: database, Label: "l", Repository: "r", Timestamp: ts, ReplicationNum: 2, Objects: []Object{{Table: table, Alias: other}}}
		sql, err = r.SQL()
		object := words(name(table), "AS", name(other))
		if other == "" {
			object = words(name(table))
		}
		checkTokens(t, sql, err, slices.Concat(words("RESTORE SNAPSHOT", name(database), ".", name("l"), "FROM", name("r"), "ON ("), object, words(") PROPERTIES (",
			lit("backup_timestamp"), "=", lit(ts), ",", lit("replication_num"), "=", lit("2"), ",", lit("timeout"), "=", lit("2592000"), ")")))

		g := Grant{Grantee: "'" + partition + "'@'" + other + "'", Database: database, Table: table, Privilege: "SELECT"}
		sql, err = g.SQL()
		if !strings.Contains(partition, "'@'") { // cannot be told apart
			checkTokens(t, sql, err, words("GRANT SELECT ON TABLE", name(database), ".", name(table), "TO USER", lit(partition), "@", lit(other)))
		}

		p := RepositoryStatement{Name: "r", Location: other, Properties: map[string]string{partition: table}}
		sql, err = p.sql()
		checkTokens(t, sql, err, words("CREATE REPOSITORY", name("r"), "WITH BROKER ON LOCATION", lit(other), "PROPERTIES (", lit(partition), "=", lit(table), ")"))

		q, err := schemaCall("information_schema.views", "TABLE_SCHEMA", database, "*")
		checkTokens(t, q.sql, err, words("SELECT * FROM information_schema . views WHERE TABLE_SCHEMA =", lit(database)))
	})
}

func FuzzLabelsAndRepositoriesAreRefused(f *testing.F) {
	for _, e := range evilNames {
		f.Add(e, "r", ts)
		f.Add("l", e, e)
	}
	f.Fuzz(func(t *testing.T, label, repository, timestamp string) {
		r := RestoreStatement{Database: "d", Label: label, Repository: repository, Timestamp: timestamp, ReplicationNum: 2, Objects: []Object{{Table: "t"}}}
		sql, err := r.SQL()
		checkTokens(t, sql, err, words("RESTORE SNAPSHOT", name("d"), ".", name(label), "FROM", name(repository), "ON (", name("t"), ") PROPERTIES (",
			lit("backup_timestamp"), "=", lit(timestamp), ",", lit("replication_num"), "=", lit("2"), ",", lit("timeout"), "=", lit("2592000"), ")"))
	})
}

func TestTheTestsLexerSeesInjections(t *testing.T) {
	for sql, want := range map[string][]token{
		"A `b``c` 'd''e' \"f\\\"g\"": {{"word", "A"}, {"name", "bc"}, {"text", "d'e"}, {"text", `f"g`}},
		"a -- b\n/* c */ ;":          {{"word", "a"}, {"sign", ";"}},
	} {
		if got, err := tokenize(sql); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v", sql, got, err)
		}
	}
	for _, sql := range []string{"`a", "'a", `"a\`, "/* a"} {
		if got, err := tokenize(sql); err == nil {
			t.Errorf("%s: %q", sql, got)
		}
	}
}

func TestSecretKeys(t *testing.T) {
	secret := map[string]bool{"aws.s3.access_key": true, "aws.s3.secret_key": true, "fs.s3a.secret.key": true, "fs.s3a.access.key": true,
		"password": true, "gcp.gcs.service_account_private_key": true, "aws.s3.session_token": true, "azure.blob.sas_token": true,
		"aws.s3.region": false, "aws.s3.endpoint": false, "username": false, "aws.s3.enable_ssl": false}
	for _, key := range slices.Sorted(maps.Keys(secret)) {
		if isSecretKey(key) != secret[key] {
			t.Errorf("%s: %v", key, isSecretKey(key))
		}
	}
}
