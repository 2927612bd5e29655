// Command starrockssim runs a simulated StarRocks cluster until it is interrupted.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"starkeep/test/starrockssim"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:9030", "address of the first FE; further FEs take free ports")
	frontends := flag.Int("frontends", 1, "number of FEs")
	backends := flag.Int("backends", 3, "number of BEs")
	tick := flag.Duration("tick", 3*time.Second, "pause of the job driver; all clocks scale with it")
	password := flag.String("password", "", "password of root")
	verbose := flag.Bool("v", false, "log job states and changes to standard error")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "starrockssim runs a simulated StarRocks cluster: connect with `mariadb -h 127.0.0.1 -P 9030 -u root`.")
		flag.PrintDefaults()
	}
	flag.Parse()
	opt := starrockssim.Options{Listen: *listen, Frontends: *frontends, Backends: *backends, Tick: *tick, Users: map[string]string{"root": *password}}
	if *verbose {
		opt.Log = os.Stderr
	}
	c, err := starrockssim.Start(opt)
	if err != nil {
		fmt.Fprintln(os.Stderr, "starrockssim:", err)
		os.Exit(1)
	}
	for i, a := range c.Addresses() {
		fmt.Printf("FE %d: %s\n", i+1, a)
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	<-stop
	c.Close()
}
