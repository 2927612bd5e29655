package starrockssim_test

import (
	"fmt"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"starkeep/test/starrockssim"
	"starkeep/test/starrockssim/mysqlwire/mysqlwiretest"
)

// shell is the mariadb command line client at a cluster.
type shell struct {
	t            *testing.T
	client, host string
	port         string
}

// run runs statements as an operator types them; the answer is tab-separated, without column names.
func (s *shell) run(statements string) string {
	s.t.Helper()
	return s.call("--skip-column-names", "-e", statements)
}

func (s *shell) call(args ...string) string {
	s.t.Helper()
	args = append([]string{"--no-defaults", "-h", s.host, "-P", s.port, "-u", "root", "--batch"}, args...)
	out, err := exec.Command(s.client, args...).CombinedOutput()
	if err != nil {
		s.t.Fatalf("%q: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// value is one column of a vertical answer, as with \G.
func (s *shell) value(statement, column string) string {
	s.t.Helper()
	for _, line := range strings.Split(s.call("-e", statement+`\G`), "\n") {
		if name, v, ok := strings.Cut(strings.TrimSpace(line), ": "); ok && name == column {
			return v
		}
	}
	return ""
}

// finish polls a job until it ends.
func (s *shell) finish(show string) {
	s.t.Helper()
	end := time.Now().Add(30 * time.Second)
	for {
		switch state := s.value(show, "State"); {
		case state == "FINISHED":
			return
		case state == "CANCELLED" || time.Now().After(end):
			s.t.Fatalf("%s:\n%s", show, s.call("-e", show+`\G`))
		}
	}
}

// An operator backs a database up, loses a table and half of another, and restores them by hand.
func TestBackupAndRestoreByHand(t *testing.T) {
	client := mysqlwiretest.CommandLine(t)
	c, err := starrockssim.Start(starrockssim.Options{Tick: 30 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	host, port, _ := net.SplitHostPort(c.Address())
	s := &shell{t, client, host, port}
	s.run(fmt.Sprintf(`
		CREATE DATABASE sales; USE sales;
		CREATE TABLE orders (dt DATE NOT NULL, id BIGINT, city VARCHAR(20)) DUPLICATE KEY(dt, id)
			PARTITION BY RANGE(dt) (PARTITION p1 VALUES LESS THAN ('2025-01-01'), PARTITION p2 VALUES LESS THAN ('2025-02-01'))
			DISTRIBUTED BY HASH(id) BUCKETS 2 PROPERTIES("replication_num" = "2");
		CREATE TABLE stock (id INT NOT NULL, n INT) PRIMARY KEY(id) DISTRIBUTED BY HASH(id) BUCKETS 2 PROPERTIES("replication_num" = "1");
		INSERT INTO orders VALUES ('2024-12-01', 1, 'Ulm'), ('2024-12-02', 2, 'Köln'), ('2025-01-15', 3, NULL);
		INSERT INTO stock VALUES (1, 10), (2, 20);
		CREATE REPOSITORY hand WITH BROKER ON LOCATION "file://%s";
		BACKUP SNAPSHOT sales.before TO hand;`, t.TempDir()))
	s.finish("SHOW BACKUP FROM sales")
	orders, stock := c.Content("sales", "orders"), c.Content("sales", "stock")

	s.run("DROP TABLE sales.orders FORCE; DELETE FROM sales.stock WHERE id = 2")
	if got := s.run("SELECT COUNT(*) FROM sales.stock"); got != "1" {
		t.Fatalf("%s rows after DELETE", got)
	}
	stamp := s.value("SHOW SNAPSHOT ON hand WHERE SNAPSHOT = 'before'", "Timestamp")
	for _, one := range []struct{ table, replicas string }{{"orders", "2"}, {"stock", "1"}} {
		s.run(fmt.Sprintf(`RESTORE SNAPSHOT sales.before FROM hand ON (%s) PROPERTIES ("backup_timestamp" = "%s", "replication_num" = "%s")`, one.table, stamp, one.replicas))
		s.finish("SHOW RESTORE FROM sales")
	}
	if c.Content("sales", "orders") != orders || c.Content("sales", "stock") != stock {
		t.Errorf("restored:\n%s%sbacked up:\n%s%s", c.Content("sales", "orders"), c.Content("sales", "stock"), orders, stock)
	}
	if got, want := s.run("SELECT * FROM sales.orders ORDER BY id"), "2024-12-01\t1\tUlm\n2024-12-02\t2\tKöln\n2025-01-15\t3\tNULL"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	out, err := exec.Command(client, "--no-defaults", "-h", host, "-P", port, "-u", "root", "--batch", "-e", "BACKUP SNAPSHOT sales.before TO hand").CombinedOutput()
	if want := "ERROR 5064 (42000) at line 1: Snapshot with name 'before' already exist in repository"; err == nil || !strings.Contains(string(out), want) {
		t.Errorf("second backup: %s %v", out, err)
	}
}
