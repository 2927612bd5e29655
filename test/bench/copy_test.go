package bench

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"starkeep/test/testbed"
)

// copyParallel is the concurrency that every tool is given.
const copyParallel = 16

// copyLeast is the throughput wanted, as a part of the other tool's.
const copyLeast = 0.95

// BenchmarkF_Copy: objects copied by storage.Transfer, with the MD5 of each proved, and by the tools people use, which do
// what they do by default. STARKEEP_BENCH_BIG, _SMALL, _MIXED and _REPEATS change the numbers of objects and runs for a quick look.
func BenchmarkF_Copy(b *testing.B) {
	shapes := []copyShape{
		{name: "big", number: number(b, "STARKEEP_BENCH_BIG", 64), size: 64 << 20},
		{name: "small", number: number(b, "STARKEEP_BENCH_SMALL", 20_000), size: 16 << 10},
		mixed(number(b, "STARKEEP_BENCH_MIXED", 16)),
	}
	for _, c := range []struct {
		name     string
		from, to func(*testing.B) copyEnd
	}{
		{"S3 to S3", startS3, startS3},
		{"S3 to S3 over TLS", startS3TLS, startS3TLS},
		{"S3 to GCS", startS3, startGCS},
		{"S3 to HDFS", startS3, startHDFS},
		{"HDFS to S3", startHDFS, startS3},
	} {
		b.Run(c.name, func(b *testing.B) {
			from, to := c.from(b), c.to(b)
			for _, shape := range shapes {
				compare(b, c.name, shape, from, to, ours(b), rclone(b))
			}
		})
	}
	b.Run("within S3", func(b *testing.B) {
		end := startS3(b)
		for _, shape := range shapes {
			compare(b, "within S3", shape, end, end, within(b), rclone(b), s5cmd(b))
		}
	})
}

// mixed is what StarRocks writes: a few large segments among many headers and small ones.
func mixed(large int) copyShape {
	return copyShape{name: "mixed", number: large, size: 64 << 20, tiny: 625 * large}
}

func number(b *testing.B, variable string, otherwise int) int {
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		b.Fatalf("%s=%q is no number", variable, text)
	}
	return n
}

// copyTool copies a directory.
type copyTool struct {
	name    string
	command func(from, to copyEnd, fromDir, toDir string) *exec.Cmd
}

func ours(b *testing.B) copyTool   { return starkeep(b, false) }
func within(b *testing.B) copyTool { return starkeep(b, true) }

func starkeep(b *testing.B, within bool) copyTool {
	binary, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	return copyTool{name: "starkeep", command: func(from, to copyEnd, fromDir, toDir string) *exec.Cmd {
		job, _ := json.Marshal(copyJob{From: from.config, To: to.config, FromDir: fromDir, ToDir: toDir, Within: within, Parallel: copyParallel})
		command := exec.Command(binary)
		command.Env = append(command.Environ(), jobVariable+"="+string(job))
		return command
	}}
}

func rclone(b *testing.B) copyTool {
	binary := toolPath(b, "rclone")
	return copyTool{name: "rclone", command: func(from, to copyEnd, fromDir, toDir string) *exec.Cmd {
		target := "B"
		if from.config.Location == to.config.Location && from.config.S3.Endpoint == to.config.S3.Endpoint {
			target = "A" // one remote: the server copies
		}
		command := exec.Command(binary, "copy", "A:"+from.root+fromDir, target+":"+to.root+toDir,
			"--transfers", strconv.Itoa(copyParallel), "--checkers", strconv.Itoa(copyParallel))
		command.Env = append(command.Environ(), "RCLONE_CONFIG=/dev/null")
		command.Env = append(append(command.Env, from.remote("A")...), to.remote("B")...)
		return command
	}}
}

// s5cmd knows one endpoint: it only lets a server copy.
func s5cmd(b *testing.B) copyTool {
	binary := toolPath(b, "s5cmd")
	return copyTool{name: "s5cmd", command: func(from, to copyEnd, fromDir, toDir string) *exec.Cmd {
		command := exec.Command(binary, "--endpoint-url", from.config.S3.Endpoint, "--numworkers", strconv.Itoa(copyParallel),
			"--log", "error", "cp", "s3://"+from.root+fromDir+"/*", "s3://"+to.root+toDir+"/")
		command.Env = append(command.Environ(), "AWS_ACCESS_KEY_ID="+from.config.S3.AccessKey, "AWS_SECRET_ACCESS_KEY="+from.config.S3.SecretKey, "AWS_REGION="+from.config.S3.Region)
		return command
	}}
}

// toolPath finds a tool that `make bench` built.
func toolPath(b *testing.B, name string) string {
	b.Helper()
	path := filepath.Join(testbed.Root(b), "bin", name)
	if _, err := os.Stat(path); err != nil {
		b.Skipf("bin/%s is missing: run `make bench`", name)
	}
	return path
}

// compare runs the tools in turn, in the reverse order every other time, and prints what each took. One copy before is not
// counted: whichever tool were first would pay for what servers compile and allocate on their first one.
func compare(b *testing.B, name string, shape copyShape, from, to copyEnd, tools ...copyTool) {
	if shape.number == 0 {
		return
	}
	from.fill(b, shape)
	source, target := from.open(b), to.open(b)
	measure(b, tools[len(tools)-1].command(from, to, shape.name, "warm"))
	wipe(b, target, "warm")
	took := make([][]usage, len(tools))
	for i := range number(b, "STARKEEP_BENCH_REPEATS", repeats) {
		order := make([]int, len(tools))
		for n := range order {
			order[n] = n
		}
		if i%2 == 1 {
			slices.Reverse(order)
		}
		for _, n := range order {
			dir := fmt.Sprintf("copy-%s-%d-%d", shape.name, i, n)
			took[n] = append(took[n], measure(b, tools[n].command(from, to, shape.name, dir)))
			check(b, target, dir, shape)
			wipe(b, target, dir)
		}
	}
	wipe(b, source, shape.name)
	say("%s, %s, load %s:", name, shape, load())
	for n, tool := range tools {
		say("  %-9s %s", tool.name, describe(took[n], shape))
	}
	for n, tool := range tools[1:] {
		ratio := wall(took[n+1]).median().Seconds() / wall(took[0]).median().Seconds()
		verdict := "ok"
		if ratio < copyLeast {
			verdict = "TOO SLOW"
		}
		say("  throughput %.2f of %s's, at least %.2f: %s", ratio, tool.name, copyLeast, verdict)
	}
}

func wall(all []usage) (s sample) {
	for _, u := range all {
		s = append(s, u.wall)
	}
	return s
}

func describe(all []usage, shape copyShape) string {
	var cpu, servers sample
	var peak float64
	for _, u := range all {
		cpu, servers, peak = append(cpu, u.cpu), append(servers, u.servers), max(peak, u.peak)
	}
	seconds := wall(all).median().Seconds()
	return fmt.Sprintf("%s, %.0f MB/s, %.0f objects/s, CPU %.1f s, of the servers %.1f s, peak memory %.0f MB",
		wall(all), float64(shape.bytes())/1e6/seconds, float64(shape.objects())/seconds, cpu.median().Seconds(), servers.median().Seconds(), peak)
}

// load is the machine's load average of the last minute.
func load() string {
	raw, _ := os.ReadFile("/proc/loadavg")
	first, _, _ := strings.Cut(string(raw), " ")
	return first
}
