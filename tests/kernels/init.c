/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The first process of an emulated host: runs the commands in /commands, one a
 * line, and ends the host.
 *
 * Words are split at spaces; <FILE and >FILE are standard input and output.
 * Before each command it prints "# COMMAND", and "# status N" after it. The
 * command "hex FILE" prints a file in hexadecimal digits.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_WORDS 32

static void make_files(void)
{
    int console;

    mount("none", "/dev", "devtmpfs", 0, NULL);
    mount("none", "/proc", "proc", 0, NULL);
    mount("none", "/sys", "sysfs", 0, NULL);
    mount("none", "/tmp", "tmpfs", 0, NULL);
    console = open("/dev/console", O_RDWR);
    dup2(console, STDOUT_FILENO);
    dup2(console, STDERR_FILENO);
}

static void redirect(const char *path, int flags, int to)
{
    const int fd = open(path, flags, 0644);

    if (fd < 0 || dup2(fd, to) < 0) {
        perror(path);
        _exit(99);
    }
}

static void become(char *line)
{
    char *words[MAX_WORDS + 1] = { NULL };
    int n = 0;
    char *word;

    for (word = strtok(line, " "); word && n < MAX_WORDS;
         word = strtok(NULL, " ")) {
        if (*word == '<') {
            redirect(word + 1, O_RDONLY, STDIN_FILENO);
        } else if (*word == '>') {
            redirect(word + 1, O_WRONLY | O_CREAT | O_TRUNC, STDOUT_FILENO);
        } else {
            words[n++] = word;
        }
    }
    execv(words[0], words);
    perror(words[0]);
    _exit(99);
}

static void print_hex(const char *path)
{
    FILE *file = fopen(path, "r");
    int byte, n = 0;

    if (!file) {
        perror(path);
        _exit(99);
    }
    while ((byte = getc(file)) != EOF) {
        printf("%02x%s", (unsigned int)byte, ++n % 64 ? "" : "\n");
    }
    putchar('\n');
    fflush(stdout);
    _exit(0);
}

static void run(char *line)
{
    int status = -1;
    pid_t child;

    printf("# %s\n", line);
    fflush(stdout);
    child = fork();
    if (child == 0 && !strncmp(line, "hex ", 4)) {
        print_hex(line + 4);
    } else if (child == 0) {
        become(line);
    }
    waitpid(child, &status, 0);
    printf("# status %d\n", WIFEXITED(status) ? WEXITSTATUS(status)
                                              : 128 + WTERMSIG(status));
    fflush(stdout);
}

int main(void)
{
    char line[4096];
    FILE *commands = fopen("/commands", "r");

    make_files();
    setenv("LD_LIBRARY_PATH", "/lib", 1);
    if (!commands || chdir("/tmp") < 0) {
        perror("/commands");
    }
    while (commands && fgets(line, sizeof(line), commands)) {
        line[strcspn(line, "\n")] = '\0';
        run(line);
    }
    reboot(RB_AUTOBOOT);
    return 1;
}
