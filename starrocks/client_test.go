package starrocks

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// cluster is three FEs behind addresses that only Reach knows.
type cluster struct {
	fes    []*fakeFE
	leader atomic.Int32 // index; -1: none, followers cannot forward
	blind  atomic.Bool  // SHOW FRONTENDS calls all of them FOLLOWER (3.3.0 to 3.3.3)
	config Config
}

var frontendColumns = []string{"Name", "IP", "QueryPort", "Role", "ClusterId", "Alive", "StartTime", "Version", "SomethingNew"}

func (k *cluster) frontends(blind bool) answer {
	a := answer{Columns: frontendColumns}
	for i := range k.fes {
		role := "FOLLOWER"
		if int32(i) == k.leader.Load() && !blind {
			role = "LEADER"
		}
		a.Rows = append(a.Rows, texts(fmt.Sprintf("fe%d", i), fmt.Sprintf("10.0.0.%d", i), "9030", role, "7", "true", "2026-11-22 15:58:18", "3.5.0", "x"))
	}
	return a
}

func startCluster(t *testing.T) *cluster {
	k := &cluster{config: Config{Reach: map[string]string{}, User: "root", Password: "hunter2"}}
	for i := range 3 {
		fe := startFE(t, "hunter2", func(sql string) (answer, error) {
			switch {
			case k.leader.Load() < 0:
				return answer{}, errors.New("java.net.ConnectException: Connection refused")
			case sql == "SHOW FRONTENDS":
				return k.frontends(k.blind.Load()), nil
			case sql == "SHOW PROC '/frontends'":
				return k.frontends(false), nil
			case strings.HasPrefix(sql, "SHOW DATABASES"):
				return answer{[]string{"Database"}, [][]*string{texts(fmt.Sprintf("fe%d", i))}}, nil
			}
			return answer{}, nil
		})
		k.fes = append(k.fes, fe)
		k.config.Addresses = append(k.config.Addresses, fe.address())
		k.config.Reach[fmt.Sprintf("10.0.0.%d:9030", i)] = fe.address()
	}
	return k
}

// open makes a client whose belief in the leader runs out when the test says so.
func (k *cluster) open(t *testing.T) (*Client, func()) {
	c := openAt(t, k.config)
	var skew atomic.Int64
	c.now = func() time.Time { return time.Now().Add(time.Duration(skew.Load())) }
	return c, func() { skew.Add(int64(time.Minute)) }
}

func answeredBy(t *testing.T, c *Client) string {
	t.Helper()
	databases, err := c.Databases(t.Context())
	if err != nil || len(databases) != 1 {
		t.Fatalf("%v, %v", databases, err)
	}
	return databases[0]
}

func TestStatementsGoToTheLeaderAndFollowIt(t *testing.T) {
	k := startCluster(t)
	k.leader.Store(2)
	c, later := k.open(t)
	if by := answeredBy(t, c); by != "fe2" {
		t.Errorf("answered by %s", by)
	}
	k.leader.Store(1) // it moves while all are alive
	later()
	if by := answeredBy(t, c); by != "fe1" {
		t.Errorf("answered by %s", by)
	}
	k.fes[1].stop() // it dies: found out by the broken connection, without waiting
	k.leader.Store(0)
	if by := answeredBy(t, c); by != "fe0" {
		t.Errorf("answered by %s", by)
	}
	leader, err := c.Leader(t.Context())
	if err != nil || leader.Name != "fe0" || leader.ClusterID != 7 {
		t.Errorf("%+v, %v", leader, err)
	}
}

func TestLeaderIsFoundFromAnyAddress(t *testing.T) {
	k := startCluster(t)
	k.leader.Store(1)
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead.Close()
	k.config.Addresses = []string{dead.Addr().String(), k.fes[2].address()}
	c, later := k.open(t)
	if by := answeredBy(t, c); by != "fe1" {
		t.Errorf("answered by %s", by)
	}
	k.fes[2].stop() // all configured addresses are gone: the FEs seen serve as well
	k.fes[1].stop()
	k.leader.Store(0)
	later()
	if by := answeredBy(t, c); by != "fe0" {
		t.Errorf("answered by %s", by)
	}
}

func TestLeaderOfVersionsThatCallAllFollowers(t *testing.T) {
	k := startCluster(t)
	k.leader.Store(2)
	k.blind.Store(true)
	c, _ := k.open(t)
	if by := answeredBy(t, c); by != "fe2" {
		t.Errorf("answered by %s", by)
	}
	if leader, err := c.Leader(t.Context()); err != nil || leader.Name != "fe2" {
		t.Errorf("%+v, %v", leader, err)
	}
}

func TestTheOnlyFEIsTheLeaderWhateverItsAddress(t *testing.T) {
	fe := startFE(t, "", replay(t)) // says it is 127.0.0.1:9030
	c := openAt(t, Config{Addresses: []string{fe.address()}})
	if _, err := c.Databases(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestWithoutALeaderTheErrorSaysSo(t *testing.T) {
	k := startCluster(t)
	k.leader.Store(-1)
	c, _ := k.open(t)
	_, err := c.BackupJob(t.Context(), "d")
	if !errors.Is(err, ErrNoLeader) || !strings.Contains(err.Error(), "SHOW BACKUP d") || !strings.Contains(err.Error(), "java.net.ConnectException") {
		t.Errorf("%v", err)
	}
	k.leader.Store(5)
	if _, err = c.Leader(t.Context()); !errors.Is(err, ErrNoLeader) {
		t.Errorf("%v", err)
	}
	k.leader.Store(0)
	if by := answeredBy(t, c); by != "fe0" {
		t.Errorf("answered by %s", by)
	}
}

func TestSessionsAreInUTCAndTakeOneStatement(t *testing.T) {
	k := startCluster(t)
	c, _ := k.open(t)
	answeredBy(t, c)
	if set := k.fes[0].sent("SET "); len(set) == 0 || set[0] != "SET time_zone = '+00:00'" {
		t.Errorf("%q", set)
	}
	if k.fes[0].flags&(1<<16) != 0 {
		t.Error("the client offers several statements in one text")
	}
}

func TestChangesAreSentOnceAndReadsAgain(t *testing.T) {
	var hangUps atomic.Int32
	frontends := recorded(t)["SHOW FRONTENDS"]
	fe := startFE(t, "", func(sql string) (answer, error) {
		if sql == "SHOW FRONTENDS" {
			return frontends, nil
		}
		if hangUps.Add(-1) >= 0 {
			return answer{}, errHangUp
		}
		return answer{}, nil
	})
	c, ctx := openAt(t, Config{Addresses: []string{fe.address()}}), t.Context()

	hangUps.Store(1)
	backup := BackupStatement{Database: "d", Label: "l", Repository: "r", Objects: []Object{{Table: "t"}}}
	if err := c.Backup(ctx, backup); !errors.Is(err, ErrConnectionLost) || len(fe.sent("BACKUP")) != 1 {
		t.Errorf("BACKUP sent %d times, %v", len(fe.sent("BACKUP")), err)
	}
	hangUps.Store(1)
	if _, err := c.BackupJob(ctx, "d"); err != nil || len(fe.sent("SHOW BACKUP")) != 2 {
		t.Errorf("SHOW BACKUP sent %d times, %v", len(fe.sent("SHOW BACKUP")), err)
	}
	hangUps.Store(2)
	if _, err := c.RestoreJob(ctx, "d"); !errors.Is(err, ErrConnectionLost) {
		t.Errorf("%v", err)
	}
	hangUps.Store(0)
	for _, change := range []struct {
		do   func() error
		sent string
	}{
		{func() error { return c.Backup(ctx, backup) }, "BACKUP SNAPSHOT `d`.`l` TO `r` ON (`t`) PROPERTIES (\"type\" = \"full\", \"timeout\" = \"2592000\")"},
		{func() error {
			return c.Restore(ctx, RestoreStatement{Database: "d", Label: "l", Repository: "r", Timestamp: ts, ReplicationNum: 1, Objects: []Object{{Table: "t"}}})
		}, "RESTORE SNAPSHOT `d`.`l` FROM `r` ON (`t`) PROPERTIES (\"backup_timestamp\" = \"" + ts + "\", \"replication_num\" = \"1\", \"timeout\" = \"2592000\")"},
		{func() error { return c.CancelBackup(ctx, "d") }, "CANCEL BACKUP FROM `d`"},
		{func() error { return c.CancelRestore(ctx, "d") }, "CANCEL RESTORE FROM `d`"},
		{func() error { return c.CreateDatabase(ctx, "d") }, "CREATE DATABASE IF NOT EXISTS `d`"},
		{func() error { return c.SwapTables(ctx, "d", "t", "u") }, "ALTER TABLE `d`.`t` SWAP WITH `u`"},
		{func() error { return c.RenameTable(ctx, "d", "t", "u") }, "ALTER TABLE `d`.`t` RENAME `u`"},
		{func() error { return c.DropTable(ctx, "d", "t") }, "DROP TABLE `d`.`t`"},
		{func() error { return c.SetTableProperty(ctx, "d", "t", "dynamic_partition.enable", "false") }, "ALTER TABLE `d`.`t` SET (\"dynamic_partition.enable\" = \"false\")"},
		{func() error {
			return c.GrantTable(ctx, Grant{Grantee: "'u'@'%'", Database: "d", Table: "t", Privilege: "SELECT"})
		}, "GRANT SELECT ON TABLE `d`.`t` TO USER 'u'@'%'"},
		{func() error {
			return c.CreateRepository(ctx, RepositoryStatement{Name: "r", Location: "s3://b/p", Properties: map[string]string{"k": "v"}})
		}, "CREATE REPOSITORY `r` WITH BROKER ON LOCATION \"s3://b/p\" PROPERTIES (\"k\" = \"v\")"},
	} {
		before := len(fe.sent(change.sent))
		if err := change.do(); err != nil || len(fe.sent(change.sent)) != before+1 {
			t.Errorf("%s: %v", change.sent, err)
		}
	}
}

func TestNamesThatCannotBeAddressedSendNothing(t *testing.T) {
	fe := startFE(t, "", replay(t))
	c, ctx, bad := openAt(t, Config{Addresses: []string{fe.address()}}), t.Context(), "a`b"
	var errs []error
	add := func(_ any, err error) { errs = append(errs, err) }
	add(c.Tables(ctx, bad))
	add(c.TablePartitions(ctx, bad, "t"))
	add(c.TablePartitions(ctx, "d", bad))
	add(c.ShowCreateTable(ctx, "d", bad))
	add(c.Views(ctx, bad))
	add(c.MaterializedViews(ctx, bad))
	add(c.RoutineLoads(ctx, bad))
	add(c.Functions(ctx, bad))
	add(c.TableTablets(ctx, "d", "t", bad))
	add(c.CountRows(ctx, "d", bad, ""))
	add(c.TableGrants(ctx, bad))
	add(c.BackupJob(ctx, bad))
	add(c.RestoreJob(ctx, bad))
	errs = append(errs, c.Backup(ctx, BackupStatement{Database: bad, Label: "l", Repository: "r", Objects: []Object{{Table: "t"}}}),
		c.Restore(ctx, RestoreStatement{Database: "d", Label: bad, Repository: "r", Timestamp: ts, ReplicationNum: 1, Objects: []Object{{Table: "t"}}}),
		c.CancelBackup(ctx, bad), c.CancelRestore(ctx, bad), c.CreateDatabase(ctx, bad), c.SwapTables(ctx, "d", "t", bad), c.SwapTables(ctx, "d", bad, "t"),
		c.RenameTable(ctx, bad, "t", "u"), c.DropTable(ctx, "d", bad), c.SetTableProperty(ctx, "d", bad, "k", "v"), c.SetTableProperty(ctx, "d", "t", "k", "a\nb"),
		c.GrantTable(ctx, Grant{Grantee: "'u'@'h'", Database: "d", Table: bad, Privilege: "SELECT"}), c.CreateRepository(ctx, RepositoryStatement{Name: bad}))
	for i, err := range errs {
		if !errors.Is(err, ErrInvalidName) {
			t.Errorf("%d: %v", i, err)
		}
	}
	if sent := fe.sent(""); len(sent) != 0 {
		t.Errorf("sent %q", sent)
	}
}

func TestPasswordsAndKeysAreInNoError(t *testing.T) {
	const secret = "wJalrXUtnFEMI"
	k := startCluster(t)
	k.config.Password = secret
	c, _ := k.open(t)
	_, err := c.Databases(t.Context())
	if !errors.Is(err, ErrAuth) || strings.Contains(err.Error(), secret) || strings.Contains(fmt.Sprintf("%+v %#v", err, err), secret) {
		t.Errorf("%v", err)
	}
	if shown := fmt.Sprintf("%v %+v %#v", k.config, k.config, k.config); strings.Contains(shown, secret) {
		t.Error(shown)
	}
	frontends := recorded(t)["SHOW FRONTENDS"]
	fe := startFE(t, "hunter2", func(sql string) (answer, error) {
		if sql == "SHOW FRONTENDS" {
			return frontends, nil
		}
		return answer{}, fmt.Errorf("Getting syntax error. Detail message: Unexpected input in %s hunter2", sql)
	})
	c = openAt(t, Config{Addresses: []string{fe.address()}, Password: "hunter2"})
	err = c.CreateRepository(t.Context(), RepositoryStatement{Name: "r", Location: "s3://b", Properties: map[string]string{"aws.s3.secret_key": secret, "aws.s3.access_key": "AKIAEXAMPLE"}})
	shown := fmt.Sprintf("%v %+v %#v", err, err, err)
	if !errors.Is(err, ErrSyntax) || strings.Contains(shown, secret) || strings.Contains(shown, "AKIAEXAMPLE") || strings.Contains(shown, "hunter2") {
		t.Errorf("%s", shown)
	}
}

func TestAStatementThatIsNotAnsweredEnds(t *testing.T) {
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	frontends := recorded(t)["SHOW FRONTENDS"]
	asked := make(chan struct{}, 10)
	fe := startFE(t, "", func(sql string) (answer, error) {
		if sql == "SHOW FRONTENDS" {
			return frontends, nil
		}
		asked <- struct{}{}
		<-release
		return answer{}, nil
	})
	c := openAt(t, Config{Addresses: []string{fe.address()}, Timeout: 100 * time.Millisecond})
	if err := c.CancelBackup(t.Context(), "d"); !errors.Is(err, ErrConnectionLost) || !strings.Contains(err.Error(), "no answer within 100ms") {
		t.Errorf("%v", err)
	}
	<-asked
	c = openAt(t, Config{Addresses: []string{fe.address()}})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-asked; cancel() }()
	if _, err := c.BackupJob(ctx, "d"); !errors.Is(err, context.Canceled) || errors.Is(err, ErrConnectionLost) {
		t.Errorf("%v", err)
	}
}

func TestErrorsOfTheReceiverAreNotStarRocks(t *testing.T) {
	fe := startFE(t, "", replay(t))
	c := openAt(t, Config{Addresses: []string{fe.address()}})
	own := errors.New("own")
	if err := c.stream(t.Context(), call{sql: "SHOW DATABASES"}, func(row) error { return own }); err != own {
		t.Errorf("%v", err)
	}
	// After a row was seen a stream is not begun again: rows would come twice.
	broken := &Error{Op: "x", Kind: ErrConnectionLost}
	if err := c.stream(t.Context(), call{sql: "SHOW DATABASES"}, func(row) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	if n := len(fe.sent("SHOW DATABASES")); n != 2 {
		t.Errorf("sent %d times", n)
	}
}

func TestConfigurationIsChecked(t *testing.T) {
	for _, config := range []Config{{User: "root"}, {Addresses: []string{"host"}, User: "root"}, {Addresses: []string{"host:9030"}}} {
		if _, err := Open(config); err == nil {
			t.Errorf("%+v accepted", config)
		}
	}
	c := openAt(t, Config{Addresses: []string{"127.0.0.1:1"}, Password: "hunter2"})
	_, err := c.Databases(t.Context())
	if !errors.Is(err, ErrConnectionLost) || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("%v", err)
	}
}
