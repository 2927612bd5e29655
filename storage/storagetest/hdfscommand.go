package storagetest

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// HDFSCommand is how to run Hadoop's own `hdfs dfs`, without these two words. It reads hdfs-site.xml of the working directory,
// and its user is that of HADOOP_USER_NAME. See [StartHDFS] for what it needs.
func HDFSCommand(t testing.TB) []string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "core-site.xml"), []byte("<configuration/>"), 0o600); err != nil { // it must be there
		t.Fatal(err)
	}
	java := slices.Clone(findJava(t))
	java[len(java)-1] = ".:" + dir + ":" + java[len(java)-1] // the class path
	return append(java, "org.apache.hadoop.fs.FsShell")
}
