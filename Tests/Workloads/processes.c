/* Many processes, each with a number in memory of its own. Asked, each tells its number, and counts it up. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* Where each process writes what it has. A process that has not begun has 0, and a value counts its answers. */
static volatile long *values;

static void live(int index) {
  sigset_t signals;
  long value = index * 7L + 1;
  int number;
  sigemptyset(&signals);
  sigaddset(&signals, SIGUSR1);
  sigaddset(&signals, SIGUSR2);
  values[index] = value;
  for (;;) {
    if (sigwait(&signals, &number) != 0) _exit(255);
    if (number == SIGUSR2) _exit(index % 100);
    values[index] = ++value;
  }
}

/* Waits until every process has its number and `answers` more; at most five minutes. Returns how many have not. */
static int wait_for(int count, int answers) {
  int wrong = 0;
  for (int wait = 0; wait < 30000; wait++) {
    wrong = 0;
    for (int index = 0; index < count; index++) wrong += values[index] != index * 7L + 1 + answers;
    if (!wrong) break;
    usleep(10000);
  }
  return wrong;
}

int main(void) {
  const char *text = getenv("WORKLOAD_PROCESSES");
  int count = text ? atoi(text) : 2000, step = 0, ask = open("ask", O_RDWR);
  pid_t *processes = calloc(count, sizeof *processes);
  char request[64];
  sigset_t signals;
  values = mmap(0, count * sizeof *values, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (ask < 0 || !processes || values == MAP_FAILED) { perror("processes"); return 1; }
  /* Held back until somebody waits for them. */
  sigemptyset(&signals);
  sigaddset(&signals, SIGUSR1);
  sigaddset(&signals, SIGUSR2);
  sigprocmask(SIG_BLOCK, &signals, 0);
  for (int index = 0; index < count; index++) {
    processes[index] = fork();
    if (processes[index] == 0) live(index);
    if (processes[index] < 0) { perror("fork"); return 1; }
  }
  if (wait_for(count, 0)) { fprintf(stderr, "not all have begun\n"); return 1; }
  close(open("ready", O_CREAT | O_WRONLY, 0644));
  for (;;) {
    size_t length = 0;
    while (length + 1 < sizeof request && read(ask, request + length, 1) == 1 && request[length] != '\n') length++;
    request[length] = 0;
    int finishes = strncmp(request, "finish", 6) == 0, wrong = 0;
    if (!finishes) {
      for (int index = 0; index < count; index++) kill(processes[index], SIGUSR1);
      wrong = wait_for(count, step + 1);
      printf("step %d\n", ++step);
    } else {
      int status;
      for (int index = 0; index < count; index++) kill(processes[index], SIGUSR2);
      for (int index = 0; index < count; index++)
        wrong += waitpid(processes[index], &status, 0) < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != index % 100;
      printf("done %d\n", step);
    }
    fflush(stdout);
    FILE *answer = fopen("answer", "w");
    if (!answer) { perror("answer"); return 1; }
    if (wrong) fprintf(answer, "%d of %d processes are wrong\n", wrong, count);
    else fprintf(answer, "ok %d processes\n", count);
    fclose(answer);
    if (finishes) return wrong ? 1 : 16;
  }
}
