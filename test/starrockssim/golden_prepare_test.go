package starrockssim_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"starkeep/storage"
	"starkeep/test/starrockssim"
)

// slowStore delays what a recording's stand-in BEs were told to delay.
type slowStore struct {
	storage.Store
	p *player
}

func (s *slowStore) Put(ctx context.Context, key string, body io.Reader, size int64, mode storage.Mode) error {
	if d := s.p.delay.Load(); d > 0 && strings.Contains(key, "__ss_content") {
		time.Sleep(time.Duration(d))
	}
	return s.Store.Put(ctx, key, body, size, mode)
}

// repository makes a repository as the recordings made theirs: below the bucket sr-backup.
func (p *player) repository(name, location string) {
	p.own[name] = true
	p.must(fmt.Sprintf(`CREATE REPOSITORY %s WITH BROKER ON LOCATION "%s" PROPERTIES("aws.s3.access_key"="test","aws.s3.secret_key"="testsecret")`, name, location))
}

// source makes a database with tables as the recordings of faults had them: pk is a primary key table.
func (p *player) source(db string, tables []string, buckets int) {
	p.own[db] = true
	p.must("CREATE DATABASE IF NOT EXISTS `" + db + "`")
	for _, t := range tables {
		columns, keys := "k1 INT, v1 VARCHAR(20)", "DUPLICATE"
		if t == "pk" {
			columns, keys = "k1 INT NOT NULL, v1 VARCHAR(20)", "PRIMARY"
		}
		p.must(fmt.Sprintf("CREATE TABLE `%s`.`%s` (%s) %s KEY(k1) DISTRIBUTED BY HASH(k1) BUCKETS %d PROPERTIES('replication_num'='1')", db, t, columns, keys, buckets))
		p.fill(db, t)
	}
}

func (p *player) fill(db, table string) {
	var rows [][]string
	for range 80 {
		p.serial++
		rows = append(rows, []string{fmt.Sprint(p.serial), fmt.Sprintf("v%d", p.serial)})
	}
	if err := p.c.Load(db, table, rows...); err != nil {
		panic(setupError{err})
	}
}

// backup backs a database up and binds the recorded timestamp to the new one.
func (p *player) backup(repo, db, label, recorded string) {
	p.keepContent(db, label)
	p.must(fmt.Sprintf("BACKUP SNAPSHOT `%s`.`%s` TO `%s`", db, label, repo))
	done := p.until(func() bool {
		r := p.must("SHOW BACKUP FROM `" + db + "`")
		return terminal(stateOf(r.names(), r.rows))
	})
	r := p.must(fmt.Sprintf("SHOW SNAPSHOT ON `%s` WHERE SNAPSHOT = '%s'", repo, label))
	if !done || *r.rows[0][1] == "" {
		panic(setupError{fmt.Errorf("BACKUP %s.%s did not finish: %s", db, label, printRows(p.must("SHOW BACKUP FROM `"+db+"`").rows))})
	}
	if err := p.match.bind(recorded, *r.rows[0][1]); err != nil {
		panic(setupError{err})
	}
}

// snapshotDir is the directory of the snapshot that the file is about.
func (p *player) snapshotDir() string {
	for _, s := range p.steps {
		if s.Step == "keys" {
			return strings.TrimPrefix(s.Prefix, "/")
		}
	}
	return ""
}

func (p *player) listed(prefix string) []string {
	store := p.bucket()
	defer store.Close()
	var keys []string
	for o, err := range store.List(p.ctx, prefix) {
		if err != nil {
			panic(setupError{err})
		}
		keys = append(keys, o.Key)
	}
	return keys
}

func (p *player) read(key string) []byte {
	store := p.bucket()
	defer store.Close()
	b, err := storage.ReadAll(p.ctx, store, key, 64<<20)
	if err != nil {
		panic(setupError{err})
	}
	return b
}

func (p *player) write(key string, data []byte) {
	store := p.bucket()
	defer store.Close()
	if err := storage.WriteAll(p.ctx, store, key, data, storage.Overwrite); err != nil {
		panic(setupError{err})
	}
}

func (p *player) remove(keys ...string) {
	store := p.bucket()
	defer store.Close()
	if err := store.Delete(p.ctx, keys...); err != nil {
		panic(setupError{err})
	}
}

const otherMD5 = "0123456789abcdef0123456789abcdef"

// damage does to the snapshot what the name of a case of file 22 says; repair undoes it.
func (p *player) damage(name string) error {
	p.undo, p.foreign = map[string][]byte{}, nil
	keys := p.listed(p.snapshotDir())
	for _, k := range keys {
		p.undo[k] = p.read(k)
	}
	first := func(part string) string {
		for _, k := range keys {
			if strings.Contains(k[strings.LastIndex(k, "/"):], part) {
				return k
			}
		}
		panic(setupError{fmt.Errorf("no object with %s among %v", part, keys)})
	}
	cut := func(k string) (dir, base string) {
		at := strings.LastIndex(k, "/") + 1
		return k[:at], k[at:]
	}
	dir, _ := cut(first(".hdr."))
	what, kind, _ := strings.Cut(name, "-")
	if what == "missing" || what == "corrupted" || what == "empty" {
		kind = map[string]string{"dat": ".dat.", "hdr": ".hdr.", "info": "__info_", "meta": "__meta.", "tablet-dir": ""}[kind]
	}
	switch {
	case name == "empty-tablet-dir":
		p.remove(slices.DeleteFunc(keys, func(k string) bool { return !strings.HasPrefix(k, dir) })...)
	case what == "missing":
		p.remove(first(kind))
	case what == "corrupted":
		k := first(kind)
		p.write(k, bytes.Repeat([]byte("x"), len(p.undo[k])))
	case what == "empty":
		p.write(first(kind), nil)
	case name == "foreign-dat-with-wrong-md5":
		p.put(dir + "extra_0.dat." + otherMD5)
	case name == "foreign-file-with-dot":
		p.put(dir + "foreign.txt")
	case name == "foreign-file-without-dot":
		p.put(dir + "_SUCCESS")
	case name == "leftover-part":
		k := first(".dat.")
		p.put(k[:strings.LastIndex(k, ".")] + ".part")
	case name == "md5-in-name-wrong":
		k := first(".dat.")
		p.write(k[:strings.LastIndex(k, ".")+1]+otherMD5, p.undo[k])
		p.foreign = append(p.foreign, k[:strings.LastIndex(k, ".")+1]+otherMD5)
		p.remove(k)
	case name == "second-info-part":
		k := first("__info_")
		p.put(k[:strings.LastIndex(k, ".")] + ".part")
	default:
		return errLeftOut{"a damage that has no counterpart: " + name}
	}
	return nil
}

func (p *player) put(key string) {
	p.write(key, []byte("foreign"))
	p.foreign = append(p.foreign, key)
}

// repair puts back what damage changed, while no backend downloads: half of it would be damage of another kind.
func (p *player) repair() error {
	release := p.c.HoldTasks(starrockssim.Fault{Type: "DOWNLOAD"})
	defer release()
	time.Sleep(p.tick / 2)
	for k, data := range p.undo {
		p.write(k, data)
	}
	p.remove(p.foreign...)
	return nil
}

func md5hex(b []byte) string {
	sum := md5.Sum(b)
	return hex.EncodeToString(sum[:])
}

// damagedInfos makes the snapshots d1 … d8 and m1 … m4 of file 08c out of s1.
func (p *player) damagedInfos() {
	root := "a/r08/__starrocks_repository_r08/__ss_"
	var info, meta []byte
	for _, k := range p.listed(root + "s1/__") {
		switch {
		case strings.Contains(k, "/__info_"):
			info = p.read(k)
		case strings.Contains(k, "/__meta."):
			meta = p.read(k)
		}
	}
	const name = "/__info_2030-01-01-00-00-00-000"
	failed := bytes.Replace(info, []byte(`"succeed"`), []byte(`"failed"`), 1)
	garbage := []byte("garbage")
	for key, data := range map[string][]byte{
		"d1" + name + "." + md5hex(info):            info,
		"d1" + name + ".part":                       info,
		"d2" + name + "." + strings.Repeat("0", 32): info,
		"d3" + name:                              info,
		"d4" + name + "." + md5hex(garbage):      garbage,
		"d5" + name + "." + md5hex([]byte("{}")): []byte("{}"),
		"d6" + name + ".part":                    info,
		"d7" + name + "." + md5hex(info):         info,
		"d8" + name + "." + md5hex(failed):       failed,
		"m1/__meta." + strings.Repeat("0", 32):   meta,
		"m2/__meta." + md5hex([]byte("hello")):   []byte("hello"),
		"m3/__meta." + md5hex(meta):              meta,
		"m3/__meta.part":                         meta,
		"m4/__meta." + md5hex(meta):              meta,
	} {
		p.write(root+key, data)
	}
	for i := range 4 {
		p.write(fmt.Sprintf("%sm%d%s.%s", root, i+1, name, md5hex(info)), info)
	}
}
