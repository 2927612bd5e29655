package starrocks

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestInsertOverwriteListsItsColumns(t *testing.T) {
	s := OverwriteStatement{Database: "d", Table: "t", From: "t__restore_0a1b2c3d", Partitions: []string{"p1", "p 2"}, Columns: []string{"k", "select"}}
	for _, test := range []struct {
		change func(*OverwriteStatement)
		want   string
		err    error
	}{
		{func(*OverwriteStatement) {}, "INSERT OVERWRITE `d`.`t` PARTITION (`p1`, `p 2`) (`k`, `select`) SELECT `k`, `select` FROM `d`.`t__restore_0a1b2c3d` PARTITION (`p1`, `p 2`)", nil},
		{func(s *OverwriteStatement) { s.Partitions = nil }, "INSERT OVERWRITE `d`.`t` (`k`, `select`) SELECT `k`, `select` FROM `d`.`t__restore_0a1b2c3d`", nil},
		{func(s *OverwriteStatement) { s.Columns = nil }, "", ErrInvalidStatement},
		{func(s *OverwriteStatement) { s.Columns = []string{"k`"} }, "", ErrInvalidName},
		{func(s *OverwriteStatement) { s.Partitions = []string{""} }, "", ErrInvalidName},
		{func(s *OverwriteStatement) { s.From = "a`b" }, "", ErrInvalidName},
	} {
		changed := s
		test.change(&changed)
		if text, err := changed.SQL(); text != test.want || !errors.Is(err, test.err) {
			t.Errorf("%+v: %q, %v, want %q, %v", changed, text, err, test.want, test.err)
		}
	}
}

// The definition is the one recorded in 46-properties-kept, with a comment and a default that look like generated columns.
func TestWritableColumnsLeaveGeneratedOnesOut(t *testing.T) {
	ddl := "CREATE TABLE `big` (\n  `id` bigint(20) NOT NULL AUTO_INCREMENT COMMENT \"auto id\",\n  `k` int(11) NOT NULL COMMENT \"known AS k\",\n  `d` date NOT NULL COMMENT \"\",\n" +
		"  `name` varchar(50) NULL DEFAULT \"a \\\" AS b\" COMMENT \"a name\",\n  `v AS w` int(11) NULL DEFAULT \"7\" COMMENT \"\",\n  `g` bigint(20) NULL AS `v` + 1 COMMENT \"gen\",\n" +
		"  INDEX bi (`name`) USING BITMAP COMMENT 'bitmap idx'\n) ENGINE=OLAP \nDUPLICATE KEY(`id`, `k`)\nCOMMENT \"a table\"\nDISTRIBUTED BY HASH(`k`) BUCKETS 2;"
	if got, want := WritableColumns(ddl), []string{"id", "k", "d", "name", "v AS w"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	hidden := "CREATE TABLE `multi` (\n  `k` int(11) NULL COMMENT \"\",\n  `ts` datetime NOT NULL COMMENT \"\",\n  `__generated_partition_column_0` datetime NULL AS date_trunc('month', `ts`) COMMENT \"\"\n) ENGINE=OLAP \nDUPLICATE KEY(`k`)"
	if got := WritableColumns(hidden); !slices.Equal(got, []string{"k", "ts"}) {
		t.Errorf("%q", got)
	}
}

// The rows are those recorded in 23-restore-cancel-stuck-load-later and 09-catalog.
func TestRunningTransactionsAreRead(t *testing.T) {
	columns := strings.Fields("TransactionId Label Coordinator TransactionStatus LoadJobSourceType PrepareTime CommitTime PublishTime FinishTime Reason ErrorReplicasCount ListenerId TimeoutMs ErrMsg")
	fe := startFE(t, "", func(sql string) (answer, error) {
		switch sql {
		case "SHOW FRONTENDS":
			return recorded(t)[sql], nil
		case "SHOW PROC '/dbs'":
			return answer{strings.Fields("DbId DbName TableNum Quota LastConsistencyCheckTime ReplicaQuota"), [][]*string{texts("11412", "b23_32", "1", "8388608.000 TB", "", "9223372036854775807")}}, nil
		case "SHOW PROC '/transactions/11412/running'":
			return answer{columns, [][]*string{
				texts("392", "standin_1", "BE: 127.0.0.1", "COMMITTED", "BACKEND_STREAMING", "2026-11-22 16:25:33", "2026-11-22 16:25:33", "2026-11-22 16:25:55", `\N`, "", "0", "[15358]", "600000",
					"wait for publishing partition 11425 version 4. self version: 6. table 11417"),
				texts("393", "standin_2", "BE: 127.0.0.1", "PREPARE", "BACKEND_STREAMING", "2026-11-22 16:25:33", `\N`, `\N`, `\N`, "", "0", "[15359]", "600000", ""),
			}}, nil
		case "SHOW PROC '/transactions/11412/running/392'":
			return answer{strings.Fields("TableId CommittedPartitionIds"), [][]*string{texts("11417", "11420, 11425")}}, nil
		}
		return answer{}, fmt.Errorf("unexpected %s", sql)
	})
	c, ctx := openAt(t, Config{Addresses: []string{fe.address()}}), t.Context()
	id, err := c.DatabaseID(ctx, "b23_32")
	got(t, "id", int64(11412), id, err)
	if _, err := c.DatabaseID(ctx, "b23_33"); !errors.Is(err, ErrUnknownDatabase) {
		t.Errorf("a database that is not there: %v", err)
	}
	running, err := c.RunningTransactions(ctx, id)
	got(t, "transactions", []Transaction{
		{ID: 392, Label: "standin_1", State: "COMMITTED", Committed: utc("2026-11-22 16:25:33"), Message: "wait for publishing partition 11425 version 4. self version: 6. table 11417"},
		{ID: 393, Label: "standin_2", State: "PREPARE"},
	}, running, err)
	if !running[0].IsCommitted() || running[1].IsCommitted() {
		t.Error("the first is committed, the second is not")
	}
	tables, err := c.TransactionTables(ctx, id, 392)
	got(t, "tables", []int64{11417}, tables, err)
}
